"""Loopback servers that follow a script, including scripts that violate HTTP."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

Script = Callable[[socket.socket], None]

IMAGE = b"\x89PNG\r\n\x1a\n and so on"


class ScriptedServer:
    """Runs a script on every connection and records the requests it receives."""

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

    def traffic(self) -> tuple[int, bytes]:
        """The number of connections and the bytes received so far.

        A probe connection goes to the end of the accept queue. Once the server accepts it, it has
        accepted every earlier connection as well.
        """
        connections_before = self.connections
        with socket.create_connection(self.address) as probe:
            probe.sendall(b"\0probe")
            probe.shutdown(socket.SHUT_WR)
            with self._changed:
                arrived = self._changed.wait_for(lambda: b"\0probe" in self.received, timeout=10)
        assert arrived, "the server no longer accepts connections"
        with self._changed:
            self.received = self.received.replace(b"\0probe", b"", 1)
            self.connections -= 1
        assert self.connections >= connections_before
        return self.connections, bytes(self.received)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            secured = self._tls.wrap_socket(connection, server_side=True) if self._tls else None
            with secured or connection as peer:
                if self._waits_for_request:
                    self._read_request(peer)
                self._script(peer)

    def _read_request(self, peer: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            chunk = peer.recv(65536)
            if not chunk:
                break
            request += chunk
        with self._changed:
            self.received += request
            self._changed.notify_all()


def sends(*parts: bytes) -> Script:
    """A script that sends the parts and closes the connection."""

    def script(peer: socket.socket) -> None:
        for part in parts:
            peer.sendall(part)

    return script


def keeps_sending(
    start: bytes, again: Callable[[], bytes] | bytes, every_seconds: float = 0.0
) -> Script:
    """A script that sends `start`, then repeats `again` until the client closes the connection."""
    never_set = threading.Event()

    def script(peer: socket.socket) -> None:
        peer.sendall(start)
        while True:
            peer.sendall(again if isinstance(again, bytes) else again())
            never_set.wait(every_seconds)

    return script


def sends_then_hangs(start: bytes = b"") -> Script:
    """A script that sends the start, then nothing, until the client closes the connection."""

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
