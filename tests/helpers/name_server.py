"""A DNS server on the loopback interface, over UDP, for names that exist in one test only."""

import ipaddress
import socket
import struct
import threading
from collections import Counter

_A, _AAAA = 1, 28
_RESPONSE_AUTHORITATIVE = 0x8580
_NO_SUCH_NAME = 3


class NameServer:
    """Answers from `zone`: a name to its addresses, one list a look-up (the last list stays).

    A name that maps to None is never answered. `looked_up` counts the look-ups of each name.
    """

    def __init__(self) -> None:
        self.zone: dict[str, list[list[str]] | None] = {}
        self.looked_up: Counter[str] = Counter()
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
                answer = self._answer(query)
                if answer:
                    self._socket.sendto(answer, client)

    def _answer(self, query: bytes) -> bytes | None:
        labels, position = [], 12
        while length := query[position]:
            labels.append(query[position + 1 : position + 1 + length].decode())
            position += 1 + length
        name = ".".join(labels).lower()
        question = query[12 : position + 5]
        (kind,) = struct.unpack_from("!H", query, position + 1)
        lists = self.zone.get(name, [])
        if lists is None:
            self.looked_up[name] += 1
            return None
        addresses = [ipaddress.ip_address(text) for text in self._current(name, lists, kind)]
        version = 4 if kind == _A else 6
        records = [
            b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 0, len(address.packed)) + address.packed
            for address in addresses
            if address.version == version
        ]
        status = 0 if lists else _NO_SUCH_NAME
        flags = _RESPONSE_AUTHORITATIVE | status
        header = query[:2] + struct.pack("!HHHHH", flags, 1, len(records), 0, 0)
        return header + question + b"".join(records)

    def _current(self, name: str, lists: list[list[str]], kind: int) -> list[str]:
        if not lists:
            return []
        current = lists[min(self.looked_up[name], len(lists) - 1)]
        if kind == _A:  # the resolver asks for AAAA first and for A last
            self.looked_up[name] += 1
        return current
