"""An internet on the loopback interface: names, public servers, and everything else guarded.

Real sockets connect, and a real resolver asks a real name server. What is ours is the routing, as
of a router on the way: a connection to a public address of the test goes to its server, and one to
any other address goes to the guarded server, where no byte may ever arrive.
"""

import socket
from typing import Any, Protocol

import pytest
from ssrfguard.resolvers import UdpResolver

from tests.helpers.name_server import NameServer
from tests.helpers.servers import ScriptedServer, image_response, says

PUBLIC = "93.184.215.14"
PUBLIC_IPV6 = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
SECRET = b"what only our own network may read"


class Reachable(Protocol):
    """Anything that listens on the loopback interface."""

    @property
    def address(self) -> tuple[str, int]: ...


class Internet:
    """What a fetch of one test can reach."""

    def __init__(self) -> None:
        self.names = NameServer()
        self.guarded = ScriptedServer(says(image_response(SECRET)))
        self._routes: dict[tuple[str, int], tuple[str, int]] = {}
        self._servers: list[Reachable] = []

    def serve(self, host: str, server: ScriptedServer, port: int = 80) -> None:
        """A public server of this name, at a public address."""
        self.names.zone[host] = [[PUBLIC]]
        self.route(PUBLIC, port, server)

    def route(self, address: str, port: int, server: Reachable) -> None:
        self._routes[address, port] = server.address
        self._servers.append(server)

    def route_of(self, address: tuple[Any, ...]) -> tuple[str, int]:
        host, port = address[:2]
        own = {server.address for server in (*self._servers, self.guarded)}
        if (host, port) in own:
            return host, port
        return self._routes.get((host, port), self.guarded.address)

    def resolver(self, seconds: float = 5.0) -> UdpResolver:
        return UdpResolver(
            nameservers=("127.0.0.1",),
            nameserver_port=self.names.port,
            timeout=seconds,
            attempt_timeout=seconds,
            attempts=1,
        )

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make this the internet of the process, until the test ends."""
        monkeypatch.setattr(socket, "socket", _routed_socket(self))
        monkeypatch.setattr(socket, "getaddrinfo", self.resolver())

    def close(self) -> None:
        self.guarded.close()
        self.names.close()


def _routed_socket(internet: Internet) -> type[socket.socket]:
    class RoutedSocket(socket.socket):
        """A TCP socket behind the router; whom it asked for is whom it believes to have."""

        asked_for: tuple[Any, ...] | None = None

        def __init__(
            self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None  # noqa: A002
        ) -> None:  # fmt: skip
            if fileno is None and family == socket.AF_INET6:
                family = socket.AF_INET  # the way on is IPv4; there may be no IPv6 here
            super().__init__(family, type, proto, fileno)

        def connect(self, address: Any) -> None:
            if self.type == socket.SOCK_STREAM:
                self.asked_for = address
                address = internet.route_of(address)
            super().connect(address)

        def getpeername(self) -> Any:
            return self.asked_for or super().getpeername()

    return RoutedSocket
