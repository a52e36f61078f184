"""What the use cases work with, in memory."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from chalicelib.catalog import Claim, Snapshot
from chalicelib.model import Delivery, Failure, Image, Recognition, Status
from chalicelib.third_party import Answer


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

    def claim(self, image_id: str, now: datetime, lease: timedelta) -> Claim:
        image = self.images.get(image_id) or Image(image_id, Status.PENDING, now)
        if image.status is not Status.PENDING or image_id in self.claims:
            return Claim(image, None)
        self.write(image)
        self.claims[image_id] = (now + lease).isoformat()
        return Claim(image, self.claims[image_id])

    def release(self, claim: Claim) -> None:
        del self.claims[claim.image.id]

    def record_recognition(self, claim: Claim, recognition: Recognition, now: datetime) -> bool:
        return self._record(
            claim,
            replace(
                claim.image,
                status=Status.RECOGNIZED,
                labels=recognition.labels,
                recognized_at=now,
            ),
        )

    def record_failure(self, claim: Claim, failure: Failure, now: datetime) -> bool:
        return self._record(
            claim,
            replace(claim.image, status=Status.FAILED, failure=failure, recognized_at=now),
        )

    def record_delivery(self, image_id: str, delivery: Delivery) -> None:
        self.write(replace(self.images[image_id], delivery=delivery))

    def snapshot(self, image_id: str) -> Snapshot:
        keys = ("IMAGE",) if image_id in self.images else ()
        return Snapshot(image_id, keys, self.revisions.get(image_id, 0))

    def forget(self, snapshot: Snapshot) -> bool:
        if self.revisions.get(snapshot.image_id, 0) != snapshot.revision:
            return False
        self.images.pop(snapshot.image_id, None)
        self.claims.pop(snapshot.image_id, None)
        return True

    def _record(self, claim: Claim, image: Image) -> bool:
        if image.id not in self.images or self.claims.get(image.id) != claim.token:
            return False
        del self.claims[image.id]
        self.write(image)
        return True


@dataclass
class FakeRekognition:
    """Answers what it was given, or raises it."""

    answer: Recognition | Exception
    calls: int = 0

    def detect_labels(self, bucket_name: str, key: str) -> Recognition:
        self.calls += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@dataclass
class FakeResults:
    """Remembers what was told; fails as often as it is asked to."""

    failures: int = 0
    told: list[Image] = field(default_factory=list)

    def tell(self, image: Image) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("The topic cannot be reached.")
        self.told.append(image)


@dataclass
class FakeThirdParty:
    """Answers one answer after the other, and remembers the webhook ids."""

    answers: list[Answer]
    webhook_ids: list[str] = field(default_factory=list)

    def post(self, document: bytes, webhook_id: str) -> Answer:
        self.webhook_ids.append(webhook_id)
        return self.answers.pop(0)
