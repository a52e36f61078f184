"""In-memory fakes of what the use cases work with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from chalicelib.catalog.images import Snapshot
from chalicelib.catalog.items import Row
from chalicelib.catalog.leases import Lease
from chalicelib.integration.third_party import Attempt
from chalicelib.model.changes import FeatureOutcome, with_features_requested, with_outcomes
from chalicelib.model.findings import Feature, Findings, RekognitionCall, merge_findings
from chalicelib.model.image import Image, ImageSummary, Status
from chalicelib.recognition.rekognition import RekognitionResponse


@dataclass
class FakeStore:
    """A bucket; `stored` are the ids of the images in it."""

    stored: set[str] = field(default_factory=set)
    bucket_name: str = "bucket"

    def exists(self, image_id: str) -> bool:
        return image_id in self.stored


@dataclass
class FakeCatalog:
    """A catalog of images with their findings; `leases` are the tokens of the leases held."""

    images: dict[str, Image] = field(default_factory=dict)
    leases: dict[str, str] = field(default_factory=dict)
    revisions: dict[str, int] = field(default_factory=dict)

    def find(self, image_id: str) -> Image | None:
        return self.images.get(image_id)

    def write(self, image: Image) -> None:
        self.images[image.id] = image
        self.revisions[image.id] = self.revisions.get(image.id, 0) + 1

    def revise(self, image_id: str, change: Callable[[Image], Image]) -> Image | None:
        if image_id not in self.images:
            return None
        self.write(change(self.images[image_id]))
        return self.images[image_id]

    def snapshot(self, image_id: str) -> Snapshot:
        keys = ("IMAGE",) if image_id in self.images else ()
        return Snapshot(image_id, keys, self.revisions.get(image_id, 0))

    def forget(self, snapshot: Snapshot) -> bool:
        if self.revisions.get(snapshot.image_id, 0) != snapshot.revision:
            return False
        self.images.pop(snapshot.image_id, None)
        self.leases.pop(snapshot.image_id, None)
        return True


@dataclass
class FakeLeases:
    """The leases of a FakeCatalog; `initial_features` are those of images it does not have yet."""

    catalog: FakeCatalog
    initial_features: tuple[Feature, ...] = (Feature.LABELS,)
    calls: list[RekognitionCall] = field(default_factory=list)

    def acquire(self, image_id: str, now: datetime, duration: timedelta) -> Lease:
        image = self.catalog.images.get(image_id) or with_features_requested(
            Image(image_id, Status.PENDING, now), self.initial_features, now
        )
        if not image.pending or image_id in self.catalog.leases:
            return Lease(_row(image), None)
        self.catalog.write(image)
        token = (now + duration).isoformat()
        self.catalog.leases[image_id] = token
        return Lease(_row(image), token)

    def release(self, lease: Lease) -> None:
        del self.catalog.leases[lease.row.image.id]

    def record(
        self,
        lease: Lease,
        outcomes: Sequence[FeatureOutcome],
        findings: Findings,
        calls: Sequence[RekognitionCall],
        now: datetime,
    ) -> Row | None:
        image = self.catalog.images.get(lease.row.image.id)
        if image is None or self.catalog.leases.get(image.id) != lease.token:
            return None
        del self.catalog.leases[image.id]
        self.calls += calls
        merged = merge_findings([image.findings, findings])
        image = replace(with_outcomes(image, outcomes, now), findings=merged)
        self.catalog.write(image)
        return _row(image)


def _row(image: Image) -> Row:
    return Row(image, image.summary().labels)


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
class FakeModelVersions:
    """Records the model versions of outcomes."""

    recorded: dict[Feature, str | None] = field(default_factory=dict)

    def record(self, outcomes: Sequence[FeatureOutcome]) -> None:
        self.recorded |= {outcome.feature: outcome.model_version for outcome in outcomes}


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
