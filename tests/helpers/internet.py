"""A simulated internet on the loopback interface: DNS, public servers, and a guarded server.

Sockets, resolver and name server are real. Only the routing is simulated: a connection to one of
the test's public addresses goes to that address's server, and a connection to any other address
goes to the guarded server, which must never receive a byte.
"""

import socket
from typing import Any, Protocol

import pytest
from ssrfguard.resolvers import UdpResolver

from tests.helpers.name_server import NameServer
from tests.helpers.servers import ScriptedServer, image_response, sends

PUBLIC = "93.184.215.14"
PUBLIC_IPV6 = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
SECRET = b"what only hosts of our network may read"


class Reachable(Protocol):
    """A listener on the loopback interface."""

    @property
    def address(self) -> tuple[str, int]: ...


class Internet:
    """Everything that a fetch in one test can reach."""

    def __init__(self) -> None:
        self.names = NameServer()
        self.guarded = ScriptedServer(sends(image_response(SECRET)))
        self._routes: dict[tuple[str, int], tuple[str, int]] = {}
        self._servers: list[Reachable] = []

    def serve(self, host: str, server: ScriptedServer, port: int = 80) -> None:
        """Make `server` the public server named `host`, at the address PUBLIC."""
        self.names.zone[host] = [[PUBLIC]]
        self.route(PUBLIC, port, server)

    def route(self, address: str, port: int, server: Reachable) -> None:
        self._routes[address, port] = server.address
        self._servers.append(server)

    def route_of(self, address: tuple[Any, ...]) -> tuple[str, int]:
        host, port = address[:2]
        known = {server.address for server in (*self._servers, self.guarded)}
        if (host, port) in known:
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
        """Route the process's sockets and DNS through this internet until the test ends."""
        monkeypatch.setattr(socket, "socket", _routed_socket(self))
        monkeypatch.setattr(socket, "getaddrinfo", self.resolver())

    def close(self) -> None:
        self.guarded.close()
        self.names.close()


def _routed_socket(internet: Internet) -> type[socket.socket]:
    class RoutedSocket(socket.socket):
        """A TCP socket behind the router; its peer name is the address that it requested."""

        requested_address: tuple[Any, ...] | None = None

        def __init__(
            self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None  # noqa: A002
        ) -> None:  # fmt: skip
            if fileno is None and family == socket.AF_INET6:
                family = socket.AF_INET  # the loopback servers use IPv4; IPv6 may be unavailable
            super().__init__(family, type, proto, fileno)

        def connect(self, address: Any) -> None:
            if self.type == socket.SOCK_STREAM:
                self.requested_address = address
                address = internet.route_of(address)
            super().connect(address)

        def getpeername(self) -> Any:
            return self.requested_address or super().getpeername()

    return RoutedSocket
