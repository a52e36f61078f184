"""Shuts connections down at a deadline."""

import contextlib
import os
import socket
import threading
from typing import Self

from chalicelib.transport.deadline import Deadline


class Watchdog:
    """Shuts the watched connections down at the deadline, which unblocks their readers and writers.

    A socket timeout restarts with every byte, so a server that drips bytes could hold a request
    forever. The watchdog covers every phase: TLS, sending, headers and body.
    """

    def __init__(self, deadline: Deadline) -> None:
        self._timer = threading.Timer(deadline.remaining_seconds(), self._shut_down)
        self._timer.daemon = True
        self._connections: list[socket.socket] = []

    def watch(self, connection: socket.socket) -> socket.socket:
        """Shut `connection` down at the deadline too; returns `connection`."""
        # Duplicated, because TLS takes the descriptor over from the plain socket.
        self._connections.append(socket.socket(fileno=os.dup(connection.fileno())))
        return connection

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join()  # before the descriptors close, so that it never shuts down a reused one
        for connection in self._connections:
            connection.close()

    def _shut_down(self) -> None:
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
