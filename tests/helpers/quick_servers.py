"""A recognizer and a third party that answer at once: what is measured is the system itself."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from chalicelib.model.identity import IMAGES_PREFIX

# Ten labels of one parent and one alias each, all different: 30 names.
TEN_LABELS = (
    ("Cat", "Feline", "Kitten"),
    ("Sofa", "Furniture", "Couch"),
    ("Car", "Vehicle", "Automobile"),
    ("Oak", "Tree", "Oak Tree"),
    ("Pizza", "Food", "Flatbread"),
    ("Mobile Phone", "Electronics", "Cellphone"),
    ("Jacket", "Clothing", "Coat"),
    ("Bridge", "Building", "Overpass"),
    ("Football", "Sport", "Soccer Ball"),
    ("Guitar", "Musical Instrument", "Acoustic Guitar"),
)

LabelNames = tuple[str, str, str]  # a label, its parent and its alias


def ten_labels(_image_id: str) -> Sequence[LabelNames]:
    """The same ten labels for every image."""
    return TEN_LABELS


class _QuickServer(ThreadingHTTPServer):
    """Listens on a free port, in threads of this process, until `close`."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore that a client, such as a killed worker, closed its connection."""


class QuickRecognizer(_QuickServer):
    """Speaks Rekognition's protocol and answers DetectLabels at once.

    `labels_of` gives an image's labels by its id. `calls` counts the calls by image id. While
    `is_throttling`, every call is refused, and not counted.
    """

    def __init__(self, labels_of: Callable[[str], Sequence[LabelNames]] = ten_labels) -> None:
        super().__init__(_Recognition)
        self.labels_of = labels_of
        self.calls: Counter[str] = Counter()
        self.is_throttling = False

    def response(self, operation: str, image_id: str) -> tuple[int, dict[str, Any]]:
        """Rekognition's response to a call: the HTTP status and the body."""
        if operation != "DetectLabels":
            return 400, {"__type": "InvalidParameterException", "message": "Only DetectLabels."}
        if self.is_throttling:
            return 400, {"__type": "ThrottlingException", "message": "Slow down."}
        with self.lock:
            self.calls[image_id] += 1
        labels = [
            {
                "Name": name,
                "Confidence": 99.0 - number / 2,
                "Instances": [],
                "Parents": [{"Name": parent}],
                "Aliases": [{"Name": alias}],
                "Categories": [],
            }
            for number, (name, parent, alias) in enumerate(self.labels_of(image_id))
        ]
        return 200, {"Labels": labels, "LabelModelVersion": "3.0"}


class QuickThirdParty(_QuickServer):
    """Stores every result and responds 204, or 400 to those of the images in `refused`.

    `received` holds the documents by image id and webhook id; a repetition replaces the document.
    `refusals` counts the refused requests by image id.
    """

    def __init__(self) -> None:
        super().__init__(_Receipt)
        self.received: dict[str, dict[str, bytes]] = {}
        self.refused: set[str] = set()
        self.refusals: Counter[str] = Counter()

    def status_for(self, webhook_id: str, document: bytes) -> int:
        """Store a document under its webhook-id, `msg_<image id>_<delivery>`, or refuse it."""
        image_id = webhook_id.split("_")[1]
        with self.lock:
            if image_id in self.refused:
                self.refusals[image_id] += 1
                return 400
            self.received.setdefault(image_id, {})[webhook_id] = document
            return 204


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # clients keep their connections

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def respond(self, status_code: int, body: bytes = b"") -> None:
        self.send_response(status_code)
        if status_code != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass


class _Recognition(_Handler):
    server: QuickRecognizer

    def do_POST(self) -> None:
        request = json.loads(self.body())
        operation = self.headers["x-amz-target"].partition(".")[2]
        image_id = request["Image"]["S3Object"]["Name"].removeprefix(IMAGES_PREFIX)
        status_code, response = self.server.response(operation, image_id)
        self.respond(status_code, json.dumps(response).encode())


class _Receipt(_Handler):
    server: QuickThirdParty

    def do_POST(self) -> None:
        self.respond(self.server.status_for(self.headers["webhook-id"], self.body()))
