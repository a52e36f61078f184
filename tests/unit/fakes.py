"""What the use cases work with, in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from chalicelib.catalog.images import Snapshot
from chalicelib.catalog.items import Row
from chalicelib.catalog.leases import Claim
from chalicelib.integration.third_party import Answer
from chalicelib.model.changes import Outcome, asked_for, came_out
from chalicelib.model.image import Feature, Findings, Image, ImageSummary, Status
from chalicelib.recognition.rekognition import Question, Told, together


@dataclass
class FakeStore:
    """A bucket of image ids."""

    stored: set[str] = field(default_factory=set)
    bucket_name: str = "bucket"

    def holds(self, image_id: str) -> bool:
        return image_id in self.stored


@dataclass
class FakeCatalog:
    """A catalog of whole images; `claims` are the tokens that are held."""

    images: dict[str, Image] = field(default_factory=dict)
    claims: dict[str, str] = field(default_factory=dict)
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
        self.claims.pop(snapshot.image_id, None)
        return True


@dataclass
class FakeClaims:
    """The claims of a FakeCatalog; `first_features` are of images that nobody registered."""

    catalog: FakeCatalog
    first_features: tuple[Feature, ...] = (Feature.LABELS,)
    asked: list[Question] = field(default_factory=list)

    def claim(self, image_id: str, now: datetime, lease: timedelta) -> Claim:
        image = self.catalog.images.get(image_id) or asked_for(
            Image(image_id, Status.PENDING, now), self.first_features, now
        )
        if not image.pending or image_id in self.catalog.claims:
            return Claim(_row(image), None)
        self.catalog.write(image)
        token = (now + lease).isoformat()
        self.catalog.claims[image_id] = token
        return Claim(_row(image), token)

    def release(self, claim: Claim) -> None:
        del self.catalog.claims[claim.row.image.id]

    def record(
        self,
        claim: Claim,
        outcomes: Sequence[Outcome],
        findings: Findings,
        asked: Sequence[Question],
        now: datetime,
    ) -> Row | None:
        image = self.catalog.images.get(claim.row.image.id)
        if image is None or self.catalog.claims.get(image.id) != claim.token:
            return None
        del self.catalog.claims[image.id]
        self.asked += asked
        known = together([image.findings, findings])
        image = replace(came_out(image, outcomes, now), findings=known)
        self.catalog.write(image)
        return _row(image)


def _row(image: Image) -> Row:
    return Row(image, image.summary().labels)


@dataclass
class FakeRekognition:
    """Answers each operation what it was given, or raises it."""

    answers: dict[str, Told | Exception]
    calls: list[Question] = field(default_factory=list)

    def ask(self, question: Question, key: str) -> Told:
        self.calls.append(question)
        answer = self.answers[question.operation]
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class FakeModelVersions:
    """Remembers what answered."""

    noted: dict[Feature, str | None] = field(default_factory=dict)

    def note(self, outcomes: Sequence[Outcome]) -> None:
        self.noted |= {outcome.feature: outcome.model_version for outcome in outcomes}


@dataclass
class FakeResults:
    """Remembers what was told; fails as often as it is asked to."""

    failures: int = 0
    told: list[ImageSummary] = field(default_factory=list)
    deliveries: list[int] = field(default_factory=list)

    def tell(self, image: ImageSummary, delivery: int) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("The topic cannot be reached.")
        self.told.append(image)
        self.deliveries.append(delivery)


@dataclass
class FakeThirdParty:
    """Answers or raises one thing after the other, and remembers the webhook ids."""

    answers: list[Answer | Exception]
    webhook_ids: list[str] = field(default_factory=list)

    def post(self, document: bytes, webhook_id: str, *, even_if_down: bool) -> Answer:
        self.webhook_ids.append(webhook_id)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer
