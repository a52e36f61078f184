"""Errors of an outgoing request. Each message is a phrase without the URL."""


class TransportError(Exception):
    """Base class: a request ends without a complete response."""


class DeadlinePassed(TransportError):
    """Raised when the deadline passes before the response is complete, in any phase."""


class AddressRefused(TransportError):
    """Raised when the host resolves to an address that the policy refuses."""


class HostUnknown(TransportError):
    """Raised when the host name does not exist or has no address."""


class Unreachable(TransportError):
    """Raised when DNS fails temporarily or no address of the host accepts a connection."""


class TooManyHeaderBytes(TransportError):
    """Raised when status lines and headers exceed the limit on their size or number."""


class TooManyBodyBytes(TransportError):
    """Raised when a body, including chunk framing, exceeds the size limit."""


class InvalidResponse(TransportError):
    """Raised for an untrusted certificate and for a response that is invalid or incomplete HTTP.

    The message says what the server sent.
    """
