"""Servers on the loopback interface that do what a script says, whatever HTTP would say to it."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

Script = Callable[[socket.socket], None]

IMAGE = b"\x89PNG\r\n\x1a\n and so on"


class ScriptedServer:
    """Accepts connections and plays the script to each; keeps what it was sent."""

    def __init__(
        self, script: Script, tls: ssl.SSLContext | None = None, waits_for_request: bool = True
    ) -> None:
        self._script = script
        self._waits_for_request = waits_for_request
        self.connections = 0
        self.received = bytearray()
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self._changed = threading.Condition()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def seen(self) -> tuple[int, bytes]:
        """Connections and bytes up to this moment, counted after all that came before it.

        A connection of our own goes to the end of the same queue; when it has been taken from
        there, so have all the others.
        """
        before = self.connections
        with socket.create_connection(self.address) as probe:
            probe.sendall(b"\0probe")
            probe.shutdown(socket.SHUT_WR)
            with self._changed:
                arrived = self._changed.wait_for(lambda: b"\0probe" in self.received, timeout=10)
        assert arrived, "the server stopped accepting"
        with self._changed:
            self.received = self.received.replace(b"\0probe", b"", 1)
            self.connections -= 1
        assert self.connections >= before
        return self.connections, bytes(self.received)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._play, args=(connection,), daemon=True).start()

    def _play(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            secured = self._tls.wrap_socket(connection, server_side=True) if self._tls else None
            with secured or connection as peer:
                if self._waits_for_request:
                    self._read_request(peer)
                self._script(peer)

    def _read_request(self, peer: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            piece = peer.recv(65536)
            if not piece:
                break
            request += piece
        with self._changed:
            self.received += request
            self._changed.notify_all()


def says(*parts: bytes) -> Script:
    """Sends the parts and closes."""

    def script(peer: socket.socket) -> None:
        for part in parts:
            peer.sendall(part)

    return script


def goes_on(start: bytes, again: Callable[[], bytes] | bytes, every_seconds: float = 0.0) -> Script:
    """Sends the start, then the same again and again until the other side has had enough."""
    never = threading.Event()

    def script(peer: socket.socket) -> None:
        peer.sendall(start)
        while True:
            peer.sendall(again if isinstance(again, bytes) else again())
            never.wait(every_seconds)

    return script


def stays_silent(start: bytes = b"") -> Script:
    """Sends the start, then nothing, and keeps the connection until the other side closes it."""

    def script(peer: socket.socket) -> None:
        peer.sendall(start)
        while peer.recv(65536):
            pass

    return script


def image_response(body: bytes = IMAGE, *headers: str) -> bytes:
    lines = [
        "HTTP/1.1 200 OK",
        "Content-Type: image/png",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def redirect_response(location: str, status: int = 302) -> bytes:
    return (f"HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\n"
            "Content-Length: 0\r\nSet-Cookie: tracked=yes\r\n\r\n").encode()  # fmt: skip


@contextlib.contextmanager
def serving(
    script: Script, tls: ssl.SSLContext | None = None, waits_for_request: bool = True
) -> Iterator[ScriptedServer]:
    server = ScriptedServer(script, tls, waits_for_request)
    try:
        yield server
    finally:
        server.close()
