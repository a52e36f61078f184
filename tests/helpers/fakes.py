"""In-memory fakes of what the use cases work with."""

from dataclasses import dataclass, field

from chalicelib.integration.third_party import Attempt
from chalicelib.model.findings import RekognitionCall
from chalicelib.model.image import ImageSummary
from chalicelib.recognition.rekognition import RekognitionResponse


@dataclass
class FakeRekognition:
    """Returns or raises the response for each operation, and records the calls."""

    responses: dict[str, RekognitionResponse | Exception]
    calls: list[RekognitionCall] = field(default_factory=list)

    def detect(self, call: RekognitionCall, key: str) -> RekognitionResponse:
        self.calls.append(call)
        response = self.responses[call.operation]
        if isinstance(response, Exception):
            raise response
        return response


@dataclass
class FakeResultsTopic:
    """Records what is published, after raising ConnectionError `failures` times."""

    failures: int = 0
    published: list[ImageSummary] = field(default_factory=list)
    deliveries: list[int] = field(default_factory=list)

    def publish(self, image: ImageSummary, delivery: int) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("The topic cannot be reached.")
        self.published.append(image)
        self.deliveries.append(delivery)


@dataclass
class FakeThirdParty:
    """Returns or raises its `attempts` one after the other, and records the webhook ids."""

    attempts: list[Attempt | Exception]
    webhook_ids: list[str] = field(default_factory=list)

    def post(self, document: bytes, webhook_id: str, *, bypass_circuit_breaker: bool) -> Attempt:
        self.webhook_ids.append(webhook_id)
        attempt = self.attempts.pop(0)
        if isinstance(attempt, Exception):
            raise attempt
        return attempt
