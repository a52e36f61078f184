"""What can go wrong on the way to another server; each text is a phrase, without the URL."""


class TransportError(Exception):
    """The base of every way in which a request can end without a complete response."""


class DeadlinePassed(TransportError):
    """The response was not complete in time, whichever phase took too long."""


class AddressRefused(TransportError):
    """The policy does not allow an address of the host."""


class HostUnknown(TransportError):
    """The host has no address."""


class Unreachable(TransportError):
    """The host could not be looked up just now, or none of its addresses accepts a connection."""


class TooManyHeaderBytes(TransportError):
    """More status lines and headers came than are read."""


class TooManyBodyBytes(TransportError):
    """More bytes of a body, framing included, came than are read."""


class InvalidResponse(TransportError):
    """The server sent no trusted certificate, no HTTP, or broke off; the text says what it sent."""
