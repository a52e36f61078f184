"""A proxy between the functions of a local stage and its emulator, which records their AWS calls.

It sees what the deployed functions really send, whatever code runs in them. It reads the items that
a write of DynamoDB names, before and after, and so knows what the write costs by DynamoDB's rules
(`write_units`). It passes on one write at a time, so no two transactions ever conflict.
"""

import http.client
import json
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from benchmarks.write_units import Item, WrittenTable
from tests.helpers.stage_process import StageProcess, wait_for

WRITES = ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems")
READS = ("GetItem", "Query", "Scan", "BatchGetItem", "TransactGetItems", "DescribeTable")
QUIET_SECONDS = 3
SECONDS = 300

_SERVICE = re.compile(r"Credential=[^/]+/\d+/[^/]+/(?P<service>[^/]+)/aws4_request")


@dataclass(frozen=True)
class Write:
    """A write of one item: the kind of the item, and the units by index."""

    kind: str
    units: Mapping[str, int]


class RecordingProxy(ThreadingHTTPServer):
    """Passes requests on to the emulator of a stage, and records them.

    `calls` are the calls, such as `dynamodb.PutItem`, and `writes` the items that they wrote.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, stage: StageProcess) -> None:
        super().__init__(("127.0.0.1", 0), _Forwarding)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.emulator = urlsplit(stage.ready["aws_endpoint_url"]).netloc
        self.calls: list[str] = []
        self.writes: list[Write] = []
        self._last_write_at = time.monotonic()
        self.write_lock = threading.Lock()
        self._client = stage.client("dynamodb")
        self.table = cache(self._describe)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def forget(self) -> None:
        """Forget what was recorded so far."""
        self.calls, self.writes = [], []

    def wait_until_quiet(self) -> None:
        """Wait until nothing has been written for some seconds."""
        wait_for(
            lambda: time.monotonic() - self._last_write_at,
            lambda seconds: seconds >= QUIET_SECONDS,
            SECONDS,
            "a stage that writes nothing",
        )

    def read(self, table: WrittenTable, key: Mapping[str, Any]) -> Item | None:
        """An item as it is now."""
        response = self._client.get_item(TableName=table.name, Key=key, ConsistentRead=True)
        item: Item | None = response.get("Item")
        return item

    def record(self, writes: Iterable[Write]) -> None:
        """Record the writes of one request."""
        self.writes.extend(writes)
        self._last_write_at = time.monotonic()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore that a worker closed its connection."""

    def _describe(self, name: str) -> WrittenTable:
        return WrittenTable.of(self._client.describe_table(TableName=name)["Table"])


@contextmanager
def recording(stage: StageProcess) -> Iterator[RecordingProxy]:
    """A proxy to which all functions of a stage send their AWS calls, but those to Rekognition."""
    proxy = RecordingProxy(stage)
    functions = stage.client("lambda")
    for page in functions.get_paginator("list_functions").paginate():
        for function in page["Functions"]:
            variables = function["Environment"]["Variables"] | {"AWS_ENDPOINT_URL": proxy.url}
            functions.update_function_configuration(
                FunctionName=function["FunctionName"], Environment={"Variables": variables}
            )
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()


def kind_of(item: Item) -> str:
    """What an item is, from the constant parts of its key: `IMAGE LABEL`, or `USAGE`."""
    names = [value["S"] for name, value in item.items() if name in ("pk", "sk")]
    constant = [name.partition("#")[0] for name in names if re.match(r"[A-Z_]+(#|$)", name)]
    return " ".join(constant) or "other"


def written_items(operation: str, request: Mapping[str, Any]) -> Iterator[tuple[str, Item]]:
    """The table of each item that a request writes, and the item's key or the item itself."""
    match operation:
        case "BatchWriteItem":
            for table, entries in request["RequestItems"].items():
                for entry in entries:
                    ((_, write),) = entry.items()
                    yield table, write.get("Item") or write["Key"]
        case "TransactWriteItems":
            for action in request["TransactItems"]:
                ((_, write),) = action.items()
                yield write["TableName"], write.get("Item") or write["Key"]
        case _:
            yield request["TableName"], request.get("Item") or request["Key"]


class _Forwarding(BaseHTTPRequestHandler):
    server: RecordingProxy
    protocol_version = "HTTP/1.1"  # functions keep their connections

    def setup(self) -> None:
        super().setup()
        self.upstream = http.client.HTTPConnection(self.server.emulator, timeout=60)

    def finish(self) -> None:
        self.upstream.close()
        super().finish()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        service, operation = self._called(body)
        self.server.calls.append(f"{service}.{operation}")
        if service == "dynamodb" and operation in WRITES:
            self._record_write(operation, body)
        elif service == "dynamodb" and operation not in READS:
            raise ValueError(f"The proxy does not know what {operation} writes.")
        else:
            self._respond(*self._forward(body))

    def do_GET(self) -> None:
        self.do_POST()

    def do_PUT(self) -> None:
        self.do_POST()

    def do_HEAD(self) -> None:
        self.do_POST()

    def do_DELETE(self) -> None:
        self.do_POST()

    def _record_write(self, operation: str, body: bytes) -> None:
        """Pass a write on, and record what it costs; one write at a time."""
        request = json.loads(body)
        with self.server.write_lock:
            tables = [
                (self.server.table(name), item) for name, item in written_items(operation, request)
            ]
            keys = [(table, table.key_of(item)) for table, item in tables]
            before = [self.server.read(table, key) for table, key in keys]
            response = self._forward(body)
            after = [self.server.read(table, key) for table, key in keys]
        suffix = "" if response[0].status == 200 else ", refused"
        self.server.record(
            Write(
                kind_of(key) + suffix,
                table.units(old, new, in_transaction=operation == "TransactWriteItems"),
            )
            for (table, key), old, new in zip(keys, before, after, strict=True)
        )
        self._respond(*response)

    def _called(self, body: bytes) -> tuple[str, str]:
        """The service and the operation of a request."""
        match = _SERVICE.search(self.headers.get("Authorization", ""))
        service = match["service"] if match else "unknown"
        if target := self.headers.get("X-Amz-Target"):
            return service, target.partition(".")[2]
        if service == "s3":
            return service, self._s3_operation()
        return service, parse_qs(body.decode()).get("Action", ["unknown"])[0]

    def _s3_operation(self) -> str:
        if self.command == "GET" and "list-type" in self.path:
            return "ListObjectsV2"
        return f"{self.command.capitalize()}Object"

    def _forward(self, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
        # The Host stays that of the proxy, because the signature includes it.
        self.upstream.request(self.command, self.path, body, headers)
        response = self.upstream.getresponse()
        return response, response.read()

    def _respond(self, response: http.client.HTTPResponse, body: bytes) -> None:
        self.send_response_only(response.status)
        for name, value in response.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        if self.command == "HEAD":
            self.send_header("Content-Length", response.getheader("Content-Length", "0"))
        elif response.status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass
