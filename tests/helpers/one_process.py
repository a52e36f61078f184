"""The use cases in this process, as a Lambda function runs them, on the emulator's resources.

A process can be cut off at any AWS call; then a new one starts. Rekognition and the third party are
one small server that counts.
"""

import json
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from chalicelib.aws import clients
from chalicelib.aws.dynamodb_table import Table
from chalicelib.catalog.images import Catalog
from chalicelib.catalog.leases import Leases
from chalicelib.model import events
from chalicelib.model.findings import Feature
from chalicelib.recognition.recognize import ImageRecognition, RecognitionInProgress
from chalicelib.recognition.rekognition import Rekognition
from chalicelib.recognition.results_topic import ResultsTopic
from chalicelib.services import Services
from chalicelib.settings import Settings
from tests.helpers.bare_emulator import BareEmulator
from tests.helpers.stage_process import wait_for

FEATURES = (Feature.LABELS, Feature.TEXT)
ANSWERS: dict[str, dict[str, Any]] = {
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
    """The process ends here; no `except Exception` sees it."""


class Cut:
    """Raises CutOff at the call with a number, counted from 1."""

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


class Counting(ThreadingHTTPServer):
    """Answers what it is told, and counts."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.rekognition_calls: Counter[tuple[str, str]] = Counter()
        self.webhooks: Counter[str] = Counter()
        self.is_throttling = False
        self.answers = ANSWERS
        self.exists: Callable[[str], bool] = lambda _: True
        self.meanwhile: Callable[[], None] = lambda: None
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Counting

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        target = self.headers.get("x-amz-target")
        if target:
            operation = target.partition(".")[2]
            image_id = json.loads(body)["Image"]["S3Object"]["Name"].removeprefix("images/")
            self.server.rekognition_calls[operation, image_id] += 1
            is_there = self.server.exists(image_id)
            self.server.meanwhile()
            if self.server.is_throttling:
                self._answer(400, {"__type": "ThrottlingException", "message": "Slow down."})
            elif is_there:
                self._answer(200, self.server.answers[operation])
            else:
                self._answer(400, {"__type": "InvalidS3ObjectException", "message": "Not there."})
        else:
            self.server.webhooks[self.headers["webhook-id"]] += 1
            self._answer(200, {})

    def _answer(self, status_code: int, values: dict[str, Any]) -> None:
        answer = json.dumps(values).encode()
        self.send_response(status_code)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass


class World:
    """One process after the other, on the same resources."""

    def __init__(self, emulator: BareEmulator, server: Counting) -> None:
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
        self.start_anew()

    def start_anew(self) -> None:
        """A new process: nothing is remembered."""
        clients.client.cache_clear()
        self.services = services = Services(self.settings)
        for service in ("s3", "dynamodb", "rekognition", "sns", "sqs", "ssm"):
            self.cut.watch(clients.client(service))
        table = services._table
        self.recognition = ImageRecognition(
            services.store,
            Rekognition(clients.client("rekognition"), services.store.bucket_name, 10, 70),
            services.catalog,
            Leases(table, services.catalog, self._first_features),
            ResultsTopic(clients.client("sns"), self.settings.results_topic_arn),
            services._model_versions,
            # Nobody waits 75 s here for the lease of a process that was cut off.
            lease=timedelta(milliseconds=1),
        )

    def _first_features(self, image_id: str) -> tuple[Feature, ...]:
        return self.services.store.features_of(image_id) or (Feature.LABELS,)

    def post(self, content: bytes) -> str:
        """As a client that tries again."""
        while True:
            try:
                return self.services.intake.accept_content(content, FEATURES).image.id
            except CutOff:
                self.start_anew()

    def work_off(self, queue_url: str, count: int) -> None:
        """Receive until as many messages were worked off; what is cut off is given again."""
        done = 0

        def work_some() -> int:
            nonlocal done
            answer = self.sqs.receive_message(
                QueueUrl=queue_url, MaxNumberOfMessages=10, VisibilityTimeout=0
            )
            for message in answer.get("Messages", []):
                try:
                    self._work(queue_url, message["Body"])
                except CutOff:
                    self.start_anew()
                except RecognitionInProgress:
                    pass
                else:
                    receipt = message["ReceiptHandle"]
                    self.sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=receipt)
                    done += 1
            return done

        wait_for(work_some, lambda number: number >= count, SECONDS, "the queue to be worked off")

    def _work(self, queue_url: str, body: str) -> None:
        if queue_url == self.settings.recognition_queue_url:
            for image_id in events.images_to_recognize(body):
                self.recognition.recognize(image_id, last_try=False)
        else:
            result = events.parse_result_event(body)
            self.services.delivery.deliver(result, receive_count=1, last_try=False)

    def recognize_more(self, image_id: str) -> None:
        """As a client that tries again, and waits until nothing is pending."""
        is_begun = False
        while not is_begun:
            try:
                self.services.recognition_requests.begin(image_id, FEATURES)
                is_begun = True
            except CutOff:
                self.start_anew()
        while self._is_pending(image_id):
            self.work_off(self.settings.recognition_queue_url, 1)
        for queue_url in (
            self.settings.recognition_queue_url,
            self.settings.integration_queue_url,
        ):
            self.sqs.purge_queue(QueueUrl=queue_url)  # of what was sent twice

    def _is_pending(self, image_id: str) -> bool:
        # With a client of its own, which is neither counted nor cut off.
        client = self.emulator.client("dynamodb")
        row = Catalog(Table(client, self.settings.catalog_table_name)).row(image_id)
        return row is not None and bool(row.image.pending)

    def remove(self, image_id: str) -> None:
        """As S3 does, whose event comes again."""
        while True:
            try:
                self.services.store.delete(image_id)
                self.services.removal.forget(image_id)
            except CutOff:
                self.start_anew()
            else:
                return

    def rows(self, image_id: str) -> dict[str, dict[str, Any]]:
        found = self.services._table.items("pk = :pk", {":pk": f"IMAGE#{image_id}"})
        return {item["sk"]: item for item in found}

    def counted(self, name: str) -> int:
        page = self.services.label_counts.page(name, 10, None)
        return next((each.count for each in page.labels if each.name == name), 0)

    def from_arrival_to_delivery(self, content: bytes) -> str:
        image_id = self.post(content)
        self.work_off(self.settings.recognition_queue_url, 1)
        self.work_off(self.settings.integration_queue_url, 1)
        return image_id
