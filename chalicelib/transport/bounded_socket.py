"""A socket that gives no byte after the deadline, and no more bytes than it is allowed to."""

import io
import socket
from typing import Any

from chalicelib.transport.deadline import Deadline


class AllowanceUsedUp(Exception):
    """More bytes came than this phase of an answer may have."""


class BoundedSocket:
    """What http.client needs of a socket, for one request and its answer."""

    def __init__(self, connection: socket.socket, deadline: Deadline, allowance: int) -> None:
        self._connection = connection
        self._deadline = deadline
        self._reader = _BoundedReader(connection, deadline, allowance)

    def allow(self, allowance: int) -> None:
        """Let so many bytes come from now on, instead of what was left."""
        self._reader.allowance = allowance

    def sendall(self, data: bytes) -> None:
        """Send until the deadline at the latest: for sending, a time-out is for the whole."""
        self._connection.settimeout(self._deadline.remaining_seconds())
        self._connection.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        """What the answer is read from."""
        return io.BufferedReader(self._reader)

    def close(self) -> None:
        """Leave it open: http.client closes early, and the body is still to be read."""


class _BoundedReader(io.RawIOBase):
    def __init__(self, connection: socket.socket, deadline: Deadline, allowance: int) -> None:
        self._connection = connection
        self._deadline = deadline
        self.allowance = allowance

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        # Set anew for each read: for receiving, a time-out starts again with each byte.
        self._connection.settimeout(self._deadline.remaining_seconds())
        received = self._connection.recv_into(buffer)
        self.allowance -= received
        if self.allowance < 0:
            raise AllowanceUsedUp
        return received
