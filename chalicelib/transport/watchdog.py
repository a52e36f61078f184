"""Ends every wait for a connection at a deadline."""

import contextlib
import os
import socket
import threading
from typing import Self

from chalicelib.transport.deadline import Deadline


class Watchdog:
    """Shuts the watched connections down at the deadline, which wakes whoever waits for them.

    A time-out of a socket starts again with every byte, so that a server that drips could hold a
    request for as long as it likes. This covers every phase alike: TLS, sending, headers, body.
    """

    def __init__(self, deadline: Deadline) -> None:
        self._timer = threading.Timer(deadline.remaining_seconds(), self._shut_down)
        self._timer.daemon = True
        self._connections: list[socket.socket] = []

    def watch(self, connection: socket.socket) -> socket.socket:
        """Shut this connection down, too; the same connection, for convenience."""
        # A duplicate, because TLS takes the descriptor over from the plain socket.
        self._connections.append(socket.socket(fileno=os.dup(connection.fileno())))
        return connection

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join()  # so that it never meets a descriptor that is in use again
        for connection in self._connections:
            connection.close()

    def _shut_down(self) -> None:
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
