"""An HTTP response that checks bytes and time below the HTTP parser, in every phase."""

import http.client
import io
import socket
from typing import Any, ClassVar

from chalicelib.transport.deadline import Deadline
from chalicelib.transport.errors import TooManyBodyBytes, TooManyHeaderBytes, TransportError

# Servers accept 8 to 32 KB of request headers; no legitimate response needs more than this.
MAX_HEADER_BYTES = 64 * 1024


class CountedResponse(http.client.HTTPResponse):
    """A response limited to MAX_HEADER_BYTES of headers and `max_body_bytes` of body.

    Headers include status lines and every `100 Continue` response. The body includes chunk sizes
    and trailers. Reading past a limit raises TooManyHeaderBytes or TooManyBodyBytes. A connection
    that ends after the deadline raises DeadlinePassed, because the watchdog may have cut what looks
    like a complete body.
    """

    max_body_bytes: ClassVar[int]
    deadline: ClassVar[Deadline]

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._reader = _CountingReader(self.fp.detach(), self.deadline)
        self._reader.limit(MAX_HEADER_BYTES, TooManyHeaderBytes)
        self.fp = io.BufferedReader(self._reader)

    def begin(self) -> None:
        """Read the status line and headers, then start counting the body."""
        super().begin()
        self._reader.limit(self.max_body_bytes, TooManyBodyBytes)


class _CountingReader(io.RawIOBase):
    def __init__(self, raw: io.RawIOBase, deadline: Deadline) -> None:
        self._raw = raw
        self._deadline = deadline

    def limit(self, max_bytes: int, error: type[TransportError]) -> None:
        """Allow `max_bytes` more bytes; reading more raises `error`."""
        self._remaining_bytes = max_bytes
        self._error = error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        received = self._raw.readinto(buffer)
        if not received:
            self._deadline.remaining_seconds()
        self._remaining_bytes -= received or 0
        if self._remaining_bytes < 0:
            raise self._error("more bytes than allowed")
        return received

    def close(self) -> None:
        self._raw.close()
        super().close()
