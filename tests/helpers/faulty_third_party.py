"""A third party that goes wrong by plan, and writes down each request that it sees."""

import base64
import hashlib
import hmac
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.message import Message
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from xml.etree import ElementTree

from standardwebhooks.webhooks import Webhook
from xmlschema import XMLSchema

from tests.helpers.stage_process import PROJECT

RETRY_AFTER_SECONDS = 3
HUGE_BYTES = 1_000_000_000
_SCHEMA = XMLSchema(PROJECT / "docs" / "image-recognition.xsd")


class Fault(StrEnum):
    """What a request meets."""

    SERVER_ERROR = "answers 500"
    TOO_MANY = "answers 429 with Retry-After"
    BAD_REQUEST = "answers 400"
    REDIRECT = "redirects to a private address"
    HANGS = "never answers"
    DRIPS = "answers a byte at a time"
    CLOSES_WHILE_READING = "closes while the request comes in"
    CLOSES_WHILE_ANSWERING = "closes in the middle of its answer"
    STORES_AND_DROPS = "stores, then closes without an answer"
    HUGE_ERROR = "answers 500 with 1 GB"
    HUGE_SUCCESS = "stores, answers 200 with 1 GB"
    NONE = "stores, answers 204"


PERMANENT = {Fault.BAD_REQUEST: 400, Fault.REDIRECT: 302}
STATUS_OF = PERMANENT | {
    Fault.SERVER_ERROR: 500,
    Fault.TOO_MANY: 429,
    Fault.HUGE_ERROR: 500,
    Fault.HUGE_SUCCESS: 200,
    Fault.NONE: 204,
}
_STORING = {Fault.STORES_AND_DROPS, Fault.HUGE_SUCCESS, Fault.NONE}


@dataclass(frozen=True)
class Seen:
    """One request: when it came in and when it was done with, in seconds of one clock."""

    image_id: str
    webhook_id: str
    fault: Fault
    began_at: float
    ended_at: float


class FaultyThirdParty(ThreadingHTTPServer):
    """Has an address from the beginning, refuses connections until `open` is called."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Requests, bind_and_activate=False)
        self.server_bind()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/results"
        self.secrets: Sequence[str] = ()
        self.seen: list[Seen] = []
        self.stored: dict[str, list[bytes]] = {}
        self.problems: list[str] = []
        self.redirects_followed = 0
        self.most_at_once = 0
        self.most_huge_bytes_sent = 0
        self.closing = threading.Event()
        self._plans: dict[str, list[Fault]] = {}
        self._at_once = 0
        self._lock = threading.Lock()

    def open(self) -> None:
        """Begin to listen."""
        self.server_activate()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop, also those requests that hang."""
        self.closing.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The sender hung up first, which is what it is to do."""

    def plan(self, image_id: str, faults: Iterable[Fault]) -> None:
        """What the next requests with an image meet, one after the other."""
        with self._lock:
            self._plans[image_id] = list(faults)

    def next_fault(self, image_id: str) -> Fault:
        """What the request that just came in meets."""
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            faults = self._plans.get(image_id)
            return faults.pop(0) if faults else Fault.NONE

    def note(self, seen: Seen) -> None:
        """A request is done with."""
        with self._lock:
            self._at_once -= 1
            self.seen.append(seen)

    def store(self, webhook_id: str, document: bytes) -> None:
        """Keep a document under its id; more than one there is a repetition."""
        with self._lock:
            self.stored.setdefault(webhook_id, []).append(document)

    def seen_of(self, image_id: str) -> list[Seen]:
        """The requests with an image, in the order in which they came."""
        with self._lock:
            mine = [seen for seen in self.seen if seen.image_id == image_id]
        return sorted(mine, key=lambda seen: seen.began_at)

    def ids_stored_of(self, image_id: str) -> list[str]:
        """The webhook-ids under which results of an image are stored."""
        with self._lock:
            return [each for each in self.stored if each.startswith(f"msg_{image_id}_")]

    def counts(self, image_ids: Iterable[str]) -> Counter[Fault]:
        """How many requests with these images met what."""
        wanted = set(image_ids)
        with self._lock:
            return Counter(seen.fault for seen in self.seen if seen.image_id in wanted)


class _Requests(BaseHTTPRequestHandler):
    server: FaultyThirdParty
    timeout = 30

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass

    def do_GET(self) -> None:
        self.server.redirects_followed += 1

    def do_POST(self) -> None:
        began_at = time.monotonic()
        webhook_id = self.headers["webhook-id"]
        image_id = webhook_id.split("_")[1]
        fault = self.server.next_fault(image_id)
        try:
            if fault is not Fault.CLOSES_WHILE_READING:
                self._take(webhook_id, image_id, fault)
            self._answer(fault)
        finally:
            ended_at = time.monotonic()
            self.server.note(Seen(image_id, webhook_id, fault, began_at, ended_at))
            self.close_connection = True

    def _take(self, webhook_id: str, image_id: str, fault: Fault) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            for secret in self.server.secrets:
                Webhook(secret).verify(body, dict(self.headers.items()), json_parse=False)
                assert is_signed(body, self.headers, secret), "the test's own verifier"
            _SCHEMA.validate(ElementTree.fromstring(body))  # noqa: S314 - the stage's own
            assert ElementTree.fromstring(body).findtext("Id") == image_id  # noqa: S314
            assert self.headers["Content-Type"] == "application/xml"
        except Exception as problem:
            self.server.problems.append(f"{webhook_id}: {problem!r}")
        if fault in _STORING:
            self.server.store(webhook_id, body)

    def _answer(self, fault: Fault) -> None:
        match fault:
            case Fault.HANGS:
                self._wait_until_the_sender_hangs_up()
            case Fault.DRIPS:
                self._drip()
            case Fault.CLOSES_WHILE_READING | Fault.STORES_AND_DROPS:
                self._reset()
            case Fault.CLOSES_WHILE_ANSWERING:
                self.wfile.write(b"HTTP/1.1 2")
            case Fault.HUGE_ERROR | Fault.HUGE_SUCCESS:
                self._answer_with_a_gigabyte(STATUS_OF[fault])
            case Fault.REDIRECT:
                private = self.server.url.replace("/results", "/private")
                self._send(STATUS_OF[fault], Location=private)
            case Fault.TOO_MANY:
                self._send(STATUS_OF[fault], **{"Retry-After": str(RETRY_AFTER_SECONDS)})
            case _:
                self._send(STATUS_OF[fault])

    def _send(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", "0")
        self.end_headers()

    def _wait_until_the_sender_hangs_up(self) -> None:
        self.connection.settimeout(0.1)
        while not self.server.closing.is_set():
            try:
                if not self.connection.recv(1):
                    return
            except TimeoutError:
                continue

    def _drip(self) -> None:
        for byte in b"HTTP/1.1 204 No Content\r\nX-Slow: " + b"x" * 1000:
            self.wfile.write(bytes([byte]))
            if self.server.closing.wait(0.1):
                return

    def _reset(self) -> None:
        linger = struct.pack("ii", 1, 0)  # so that closing sends a reset
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()

    def _answer_with_a_gigabyte(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(HUGE_BYTES))
        self.end_headers()
        sent, piece = 0, b"x" * 65536
        try:
            while sent < HUGE_BYTES:
                sent += self.connection.send(piece)
        finally:
            self.server.most_huge_bytes_sent = max(self.server.most_huge_bytes_sent, sent)


def is_signed(body: bytes, headers: Message, secret: str) -> bool:
    """Whether one of the signatures is the secret's, after the text of Standard Webhooks alone."""
    signed = b".".join(
        [headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body]
    )
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    is_new = abs(time.time() - int(headers["webhook-timestamp"])) < 300
    return is_new and f"v1,{expected}" in headers["webhook-signature"].split(" ")
