"""An HTTP response whose bytes and time are checked below the parser, in every phase."""

import http.client
import io
import socket
from typing import Any, ClassVar

from chalicelib.transport.deadline import Deadline
from chalicelib.transport.errors import TooManyBodyBytes, TooManyHeaderBytes, TransportError

# Servers accept 8 to 32 KB of headers from a client; nothing honest needs more the other way.
MAX_HEADER_BYTES = 64 * 1024


class CountedResponse(http.client.HTTPResponse):
    """Raises TooManyHeaderBytes or TooManyBodyBytes where a phase has more bytes than it may.

    The headers include every `100 Continue`; the body includes chunk sizes and trailers. Raises
    DeadlinePassed where the connection ends after the deadline, because the watchdog may have cut
    what then looks like a complete body.
    """

    max_body_bytes: ClassVar[int]
    deadline: ClassVar[Deadline]

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._reader = _CountingReader(self.fp.detach(), self.deadline)
        self._reader.allow(MAX_HEADER_BYTES, TooManyHeaderBytes)
        self.fp = io.BufferedReader(self._reader)

    def begin(self) -> None:
        """Read the status line and the headers."""
        super().begin()
        self._reader.allow(self.max_body_bytes, TooManyBodyBytes)


class _CountingReader(io.RawIOBase):
    def __init__(self, raw: io.RawIOBase, deadline: Deadline) -> None:
        self._raw = raw
        self._deadline = deadline

    def allow(self, byte_count: int, error: type[TransportError]) -> None:
        """Let this many bytes come from now on, and raise the error at the next."""
        self._allowance = byte_count
        self._error = error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        received = self._raw.readinto(buffer)
        if not received:
            self._deadline.remaining_seconds()
        self._allowance -= received or 0
        if self._allowance < 0:
            raise self._error("more bytes than are read")
        return received

    def close(self) -> None:
        self._raw.close()
        super().close()
