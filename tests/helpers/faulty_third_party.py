"""A third party that fails as planned and records every request it receives."""

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
    """What the third party does with a request."""

    SERVER_ERROR = "responds 500"
    TOO_MANY_REQUESTS = "responds 429 with Retry-After"
    BAD_REQUEST = "responds 400"
    REDIRECT = "redirects to a private address"
    HANGS = "never responds"
    DRIPS = "responds one byte at a time"
    CLOSES_WHILE_READING = "closes while receiving the request"
    CLOSES_WHILE_RESPONDING = "closes in the middle of its response"
    STORES_AND_DROPS = "stores, then closes without a response"
    HUGE_ERROR = "responds 500 with 1 GB"
    HUGE_SUCCESS = "stores, responds 200 with 1 GB"
    NONE = "stores, responds 204"


PERMANENT = {Fault.BAD_REQUEST: 400, Fault.REDIRECT: 302}
STATUS_OF = PERMANENT | {
    Fault.SERVER_ERROR: 500,
    Fault.TOO_MANY_REQUESTS: 429,
    Fault.HUGE_ERROR: 500,
    Fault.HUGE_SUCCESS: 200,
    Fault.NONE: 204,
}
_STORING = {Fault.STORES_AND_DROPS, Fault.HUGE_SUCCESS, Fault.NONE}


@dataclass(frozen=True)
class ReceivedRequest:
    """A request, with its start and end in seconds of the monotonic clock."""

    image_id: str
    webhook_id: str
    fault: Fault
    started_at: float
    ended_at: float


class FaultyThirdParty(ThreadingHTTPServer):
    """Has an address at once, but refuses connections until `open` is called."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Requests, bind_and_activate=False)
        self.server_bind()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/results"
        self.secrets: Sequence[str] = ()
        self.requests: list[ReceivedRequest] = []
        self.stored: dict[str, list[bytes]] = {}
        self.problems: list[str] = []
        self.redirects_followed = 0
        self.max_concurrent = 0
        self.max_huge_bytes_sent = 0
        self.closing = threading.Event()
        self._plans: dict[str, list[Fault]] = {}
        self._concurrent = 0
        self._lock = threading.Lock()

    def open(self) -> None:
        """Start listening."""
        self.server_activate()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop, including requests that hang."""
        self.closing.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore that the sender closes the connection first, as it should."""

    def plan(self, image_id: str, faults: Iterable[Fault]) -> None:
        """Set the faults of the next requests for an image, in order; later ones succeed."""
        with self._lock:
            self._plans[image_id] = list(faults)

    def next_fault(self, image_id: str) -> Fault:
        """Count a request as running, and return its fault."""
        with self._lock:
            self._concurrent += 1
            self.max_concurrent = max(self.max_concurrent, self._concurrent)
            faults = self._plans.get(image_id)
            return faults.pop(0) if faults else Fault.NONE

    def record(self, request: ReceivedRequest) -> None:
        """Record a request that has ended."""
        with self._lock:
            self._concurrent -= 1
            self.requests.append(request)

    def store(self, webhook_id: str, document: bytes) -> None:
        """Store a document under its webhook-id; repetitions are all stored."""
        with self._lock:
            self.stored.setdefault(webhook_id, []).append(document)

    def requests_for(self, image_id: str) -> list[ReceivedRequest]:
        """The requests for an image, in the order in which they started."""
        with self._lock:
            found = [request for request in self.requests if request.image_id == image_id]
        return sorted(found, key=lambda request: request.started_at)

    def webhook_ids_for(self, image_id: str) -> list[str]:
        """The webhook-ids under which an image's results are stored."""
        with self._lock:
            return [each for each in self.stored if each.startswith(f"msg_{image_id}_")]

    def counts(self, image_ids: Iterable[str]) -> Counter[Fault]:
        """How many requests for these images had each fault."""
        wanted = set(image_ids)
        with self._lock:
            return Counter(each.fault for each in self.requests if each.image_id in wanted)


class _Requests(BaseHTTPRequestHandler):
    server: FaultyThirdParty
    timeout = 30

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass

    def do_GET(self) -> None:
        self.server.redirects_followed += 1

    def do_POST(self) -> None:
        started_at = time.monotonic()
        webhook_id = self.headers["webhook-id"]
        image_id = webhook_id.split("_")[1]
        fault = self.server.next_fault(image_id)
        try:
            if fault is not Fault.CLOSES_WHILE_READING:
                self._receive(webhook_id, image_id, fault)
            self._respond(fault)
        finally:
            ended_at = time.monotonic()
            self.server.record(ReceivedRequest(image_id, webhook_id, fault, started_at, ended_at))
            self.close_connection = True

    def _receive(self, webhook_id: str, image_id: str, fault: Fault) -> None:
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

    def _respond(self, fault: Fault) -> None:
        match fault:
            case Fault.HANGS:
                self._wait_until_the_sender_closes()
            case Fault.DRIPS:
                self._drip()
            case Fault.CLOSES_WHILE_READING | Fault.STORES_AND_DROPS:
                self._reset()
            case Fault.CLOSES_WHILE_RESPONDING:
                self.wfile.write(b"HTTP/1.1 2")
            case Fault.HUGE_ERROR | Fault.HUGE_SUCCESS:
                self._send_a_gigabyte(STATUS_OF[fault])
            case Fault.REDIRECT:
                private = self.server.url.replace("/results", "/private")
                self._send(STATUS_OF[fault], Location=private)
            case Fault.TOO_MANY_REQUESTS:
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

    def _wait_until_the_sender_closes(self) -> None:
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
        linger = struct.pack("ii", 1, 0)  # closing sends a reset
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()

    def _send_a_gigabyte(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(HUGE_BYTES))
        self.end_headers()
        sent, piece = 0, b"x" * 65536
        try:
            while sent < HUGE_BYTES:
                sent += self.connection.send(piece)
        finally:
            self.server.max_huge_bytes_sent = max(self.server.max_huge_bytes_sent, sent)


def is_signed(body: bytes, headers: Message, secret: str) -> bool:
    """Whether a secret made one of the signatures; follows only the Standard Webhooks spec."""
    signed = b".".join(
        [headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body]
    )
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    is_new = abs(time.time() - int(headers["webhook-timestamp"])) < 300
    return is_new and f"v1,{expected}" in headers["webhook-signature"].split(" ")
