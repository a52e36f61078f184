"""A DNS server on the loopback interface, over UDP, for the names of one test."""

import ipaddress
import socket
import struct
import threading
from collections import Counter

_A, _AAAA = 1, 28
_AUTHORITATIVE_RESPONSE = 0x8580
_NO_SUCH_NAME = 3


class NameServer:
    """Responds from `zone`, which maps a name to its addresses: one list per lookup.

    The last list repeats. A query for a name that maps to None gets no response. `lookups` counts
    the lookups per name.
    """

    def __init__(self) -> None:
        self.zone: dict[str, list[list[str]] | None] = {}
        self.lookups: Counter[str] = Counter()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"", ("127.0.0.1", self.port))

    def _serve(self) -> None:
        with self._socket:
            while True:
                query, client = self._socket.recvfrom(1500)
                if not query:
                    return
                response = self._response(query)
                if response:
                    self._socket.sendto(response, client)

    def _response(self, query: bytes) -> bytes | None:
        labels, position = [], 12
        while length := query[position]:
            labels.append(query[position + 1 : position + 1 + length].decode())
            position += 1 + length
        name = ".".join(labels).lower()
        question = query[12 : position + 5]
        (record_type,) = struct.unpack_from("!H", query, position + 1)
        lists = self.zone.get(name, [])
        if lists is None:
            self.lookups[name] += 1
            return None
        addresses = [ipaddress.ip_address(text) for text in self._current(name, lists, record_type)]
        version = 4 if record_type == _A else 6
        records = [
            b"\xc0\x0c"
            + struct.pack("!HHIH", record_type, 1, 0, len(address.packed))
            + address.packed
            for address in addresses
            if address.version == version
        ]
        status = 0 if lists else _NO_SUCH_NAME
        flags = _AUTHORITATIVE_RESPONSE | status
        header = query[:2] + struct.pack("!HHHHH", flags, 1, len(records), 0, 0)
        return header + question + b"".join(records)

    def _current(self, name: str, lists: list[list[str]], record_type: int) -> list[str]:
        if not lists:
            return []
        current = lists[min(self.lookups[name], len(lists) - 1)]
        if record_type == _A:  # the resolver queries AAAA first and A last
            self.lookups[name] += 1
        return current
