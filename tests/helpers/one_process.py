"""Runs the use cases in this process, as Lambda functions run them, on the emulator's resources.

A test can cut off the simulated process at any AWS call, before or after the call takes effect; a
new one then starts. One small server stands in for Rekognition and the third party, and counts
their requests.
"""

import json
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from chalicelib.aws import clients
from chalicelib.aws.dynamodb_table import Table, to_item
from chalicelib.catalog.deliveries import Deliveries
from chalicelib.catalog.findings_changes import changes_of
from chalicelib.catalog.images import Catalog
from chalicelib.catalog.leases import Leases
from chalicelib.model import events
from chalicelib.model.findings import Feature
from chalicelib.recognition.recognize import ImageRecognition, RecognitionInProgress
from chalicelib.recognition.rekognition import Rekognition
from chalicelib.recognition.request_rate import RequestRate
from chalicelib.recognition.results_topic import ResultsTopic
from chalicelib.services import Services
from chalicelib.settings import Settings
from tests.helpers.bare_emulator import CREDENTIALS, BareEmulator
from tests.helpers.stage_process import wait_for
from tests.helpers.table_stream import EmulatorStream

FEATURES = (Feature.LABELS, Feature.TEXT)
RESPONSES: dict[str, dict[str, Any]] = {
    "DetectLabels": {
        "Labels": [
            {"Name": "Cat", "Confidence": 98.5, "Parents": [{"Name": "Animal"}]},
            {"Name": "Sofa", "Confidence": 88.0, "Aliases": [{"Name": "Couch"}]},
        ],
        "LabelModelVersion": "3.0",
    },
    "DetectText": {"TextDetections": [], "TextModelVersion": "3.0"},
}
SECONDS = 20


class CutOff(BaseException):
    """Raised where the simulated process ends; no `except Exception` catches it."""


class Cut:
    """Raises CutOff at the AWS call number `at`, counted from 1.

    `phase` is botocore's event: before-send, or response-received after the call took effect.
    `name` is the service and operation of the call that was cut off, such as `s3.PutObject`.
    """

    def __init__(self) -> None:
        self.calls = 0
        self.at: int | None = None
        self.phase = "before-send"
        self.name = ""

    def arm(self, at: int | None, phase: str) -> None:
        self.calls, self.at, self.phase, self.name = 0, at, phase, ""

    def watch(self, client: Any) -> None:
        for phase in ("before-send", "response-received"):
            client.meta.events.register(phase, self._hook(phase))

    def _hook(self, phase: str) -> Any:
        def hook(event_name: str, **_: Any) -> None:
            if phase == "before-send":
                self.calls += 1
            if self.calls == self.at and phase == self.phase:
                self.at = None
                self.name = event_name.removeprefix(f"{phase}.")
                raise CutOff

        return hook


def connect(
    monkeypatch: pytest.MonkeyPatch, emulator: BareEmulator, server: "CountingServer"
) -> None:
    """Let the clients that the use cases make call the emulator, and Rekognition's the server."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_REKOGNITION", server.url)


class CountingServer(ThreadingHTTPServer):
    """Stands in for Rekognition and the third party, and counts their requests.

    `responses` are Rekognition's, by operation. `exists` says whether S3 has an image, by its id.
    `meanwhile` runs during each Rekognition call.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.rekognition_calls: Counter[tuple[str, str]] = Counter()  # by operation and image id
        self.webhooks: Counter[str] = Counter()  # by webhook id
        self.is_throttling = False
        self.responses = RESPONSES
        self.exists: Callable[[str], bool] = lambda _: True
        self.meanwhile: Callable[[], None] = lambda: None
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: CountingServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        target = self.headers.get("x-amz-target")
        if target:
            operation = target.partition(".")[2]
            image_id = json.loads(body)["Image"]["S3Object"]["Name"].removeprefix("images/")
            self.server.rekognition_calls[operation, image_id] += 1
            exists = self.server.exists(image_id)
            self.server.meanwhile()
            if self.server.is_throttling:
                self._respond(400, {"__type": "ThrottlingException", "message": "Slow down."})
            elif exists:
                self._respond(200, self.server.responses[operation])
            else:
                self._respond(400, {"__type": "InvalidS3ObjectException", "message": "Not there."})
        else:
            self.server.webhooks[self.headers["webhook-id"]] += 1
            self._respond(200, {})

    def _respond(self, status_code: int, values: dict[str, Any]) -> None:
        body = json.dumps(values).encode()
        self.send_response(status_code)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass


class World:
    """Simulated processes, one after the other, on the same resources."""

    def __init__(self, emulator: BareEmulator, server: CountingServer) -> None:
        self.server = server
        self.emulator = emulator
        self.cut = Cut()
        self.settings = Settings.from_environment(
            {
                **emulator.variables,
                "API_TOKENS_PATH": "/tokens",
                "THIRD_PARTY_URL": f"{server.url}/results",
                "DELIVERY_PAUSES_SECONDS": "0",
            }
        )
        self.sqs = emulator.client("sqs")
        self.stream = EmulatorStream(
            emulator.client("dynamodb"),
            emulator.client("dynamodbstreams"),
            self.settings.catalog_table_name,
        )
        self.restart()

    def restart(self) -> None:
        """Start a new process, without the clients and caches of the one before."""
        clients.client.cache_clear()
        self.services = services = Services(self.settings)
        for service in ("s3", "dynamodb", "rekognition", "sns", "sqs", "ssm"):
            self.cut.watch(clients.client(service))
        table = services._table
        self.recognition = ImageRecognition(
            Rekognition(
                clients.client("rekognition"),
                services.store.bucket_name,
                10,
                70,
                # So that a test does not wait for the next turn of a throttled call.
                RequestRate(1000, patience_seconds=0, hold_seconds=0),
            ),
            services.catalog,
            services.removal,
            Leases(table, services.catalog, Deliveries(table), self._initial_features),
            ResultsTopic(clients.client("sns"), self.settings.results_topic_arn),
            # Short, so that a test does not wait 75 s for the lease of a process that was cut off.
            lease_duration=timedelta(milliseconds=1),
        )

    def _initial_features(self, image_id: str) -> tuple[Feature, ...]:
        return self.services.store.features_of(image_id) or (Feature.LABELS,)

    def post(self, content: bytes) -> str:
        """Post an image like a client that retries; returns the image's id."""
        while True:
            try:
                return self.services.intake.accept_content(content, FEATURES, "tester").image.id
            except CutOff:
                self.restart()

    def process_messages(self, queue_url: str, count: int) -> None:
        """Receive from a queue until `count` messages succeed.

        The queue delivers a message again whose process was cut off.
        """
        succeeded = 0

        def receive_and_process() -> int:
            nonlocal succeeded
            response = self.sqs.receive_message(
                QueueUrl=queue_url, MaxNumberOfMessages=10, VisibilityTimeout=0
            )
            for message in response.get("Messages", []):
                try:
                    self._process(queue_url, message["Body"])
                except CutOff:
                    self.restart()
                except RecognitionInProgress:
                    pass
                else:
                    receipt = message["ReceiptHandle"]
                    self.sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=receipt)
                    succeeded += 1
            return succeeded

        wait_for(
            receive_and_process,
            lambda number: number >= count,
            SECONDS,
            f"{count} messages to be processed",
        )

    def _process(self, queue_url: str, body: str) -> None:
        if queue_url == self.settings.recognition_queue_url:
            for image_id in events.images_to_recognize(body):
                self.recognition.recognize(image_id, last_attempt=False)
        else:
            result = events.parse_result_event(body)
            self.services.delivery.deliver(result, receive_count=1, last_attempt=False)

    def recognize_more(self, image_id: str) -> None:
        """Request FEATURES like a client that retries, and process until none is pending."""
        is_begun = False
        while not is_begun:
            try:
                self.services.recognition_requests.request(image_id, FEATURES, "tester")
                is_begun = True
            except CutOff:
                self.restart()
        while self._is_pending(image_id):
            self.process_messages(self.settings.recognition_queue_url, 1)
        self.index()
        for queue_url in (
            self.settings.recognition_queue_url,
            self.settings.integration_queue_url,
        ):
            self.sqs.purge_queue(QueueUrl=queue_url)  # removes repeated messages

    def _is_pending(self, image_id: str) -> bool:
        # A client of its own, whose calls are neither counted nor cut off.
        client = self.emulator.client("dynamodb")
        row = Catalog(Table(client, self.settings.catalog_table_name)).row(image_id)
        return row is not None and bool(row.image.pending)

    def remove(self, image_id: str) -> None:
        """Remove an image and process S3's event, which S3 delivers again after a cut-off."""
        while True:
            try:
                self.services.store.delete(image_id)
                self.services.removal.forget(image_id)
            except CutOff:
                self.restart()
            else:
                return

    def index(self) -> None:
        """Process the stream's new records; a batch comes again after a cut-off."""
        while (event := self.stream.event())["Records"]:
            try:
                self.services.search_index.follow(changes_of(event))
            except CutOff:
                self.restart()
            else:
                self.stream.acknowledge(event)

    def terms(self, image_id: str) -> set[str]:
        """The terms that find an image."""
        table = self.services._table
        pages = (
            self.emulator.client("dynamodb")
            .get_paginator("scan")
            .paginate(
                TableName=table.name,
                FilterExpression="begins_with(pk, :label) AND contains(sk, :image)",
                ExpressionAttributeValues=to_item({":label": "LABEL#", ":image": image_id}),
            )
        )
        partitions = [item["pk"]["S"] for page in pages for item in page["Items"]]
        assert len(partitions) == len(set(partitions)), partitions
        return {partition.split("#")[1] for partition in partitions}

    def rows(self, image_id: str) -> dict[str, dict[str, Any]]:
        """The items of an image by their sort keys."""
        items = self.services._table.items("pk = :pk", {":pk": f"IMAGE#{image_id}"})
        return {item["sk"]: item for item in items}

    def label_count(self, name: str) -> int:
        """The number of images that have a label."""
        page = self.services.label_counts.page(name, 10, None)
        return next((each.count for each in page.labels if each.name == name), 0)

    def from_arrival_to_delivery(self, content: bytes) -> str:
        """Post, recognize, index and deliver an image; returns its id."""
        image_id = self.post(content)
        self.process_messages(self.settings.recognition_queue_url, 1)
        self.index()
        self.process_messages(self.settings.integration_queue_url, 1)
        return image_id
