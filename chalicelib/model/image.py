"""The types that every part of the app shares: an image, its features and its deliveries.

All times are timezone-aware.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from chalicelib.model.findings import Feature, Findings


class Status(StrEnum):
    """The status of an image's recognition, or of one of its features."""

    PENDING = "PENDING"
    RECOGNIZED = "RECOGNIZED"
    FAILED = "FAILED"


class DeliveryStatus(StrEnum):
    """How far a delivery of a result to the third party is."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    SUPERSEDED = "SUPERSEDED"  # given up for a later delivery
    NOT_CONFIGURED = "NOT_CONFIGURED"  # the stage has no third party to deliver to


@dataclass(frozen=True)
class NewImage:
    """An image that a caller sends, as `url` or `content`, and the features to recognize.

    `requested_by` is the name of the caller's token.
    """

    features: tuple[Feature, ...]
    url: str | None = None
    content: bytes | None = None
    requested_by: str = ""


@dataclass(frozen=True)
class Content:
    """The image as it is stored in S3: `width` and `height` in pixels, `bytes` its size."""

    content_type: str
    width: int
    height: int
    bytes: int


@dataclass(frozen=True)
class Original:
    """The image as it arrived: its kind (JPEG, WEBP, …), size in bytes and SHA-256 in hex."""

    kind: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Failure:
    """Why recognition failed: a code for programs and a reason for people."""

    code: str
    reason: str


@dataclass(frozen=True)
class FeatureState:
    """The state of one requested feature of an image.

    `model_version` is None until the feature is recognized, and if Rekognition reports none.
    """

    name: Feature
    status: Status
    requested_at: datetime
    recognized_at: datetime | None = None
    model_version: str | None = None
    failure: Failure | None = None


@dataclass(frozen=True)
class Delivery:
    """The state of one delivery of an image's result to the third party.

    `number` is 1 for the first delivery and grows by one for each further result, and for each
    delivery that a caller requests. `tries` counts the requests sent. `status_code` and `reason`
    describe the last attempt: its HTTP status, None if there was no response, and what went wrong,
    None if nothing did. `requested_by` is the name of the token that requested the delivery, empty
    for the delivery of a new result; callers and the third party do not see it.
    """

    status: DeliveryStatus
    tries: int
    last_tried_at: datetime | None = None
    reason: str | None = None
    number: int = 1
    status_code: int | None = None
    requested_at: datetime | None = None
    next_try_at: datetime | None = None
    requested_by: str = ""


@dataclass(frozen=True)
class Image:
    """An image, its requested features, its findings and its deliveries.

    `status` describes the image as a whole. It is PENDING until no feature is pending for the first
    time, then RECOGNIZED if at least one feature is recognized, else FAILED; later requests do not
    make it PENDING again. `features` has the state of every requested feature, in the order of
    Feature. `failure` says why a FAILED image failed. `deliveries` are the most recent ones in the
    order of their numbers. `result_delivery` is the number of the delivery that first sends the
    current result, or the next one while a feature is pending, to the third party.
    `last_delivery` is the highest number that any delivery of the image has. `requested_by` names
    the token that last requested each feature, where that is known: nobody requests the features of
    an object that is copied into the bucket. Callers and the third party do not see it.
    """

    id: str
    status: Status
    created_at: datetime
    sources: tuple[str, ...] = ()
    content: Content | None = None
    original: Original | None = None
    features: tuple[FeatureState, ...] = ()
    findings: Findings = field(default_factory=Findings)
    recognized_at: datetime | None = None
    failure: Failure | None = None
    deliveries: tuple[Delivery, ...] = ()
    result_delivery: int = 1
    last_delivery: int = 1
    requested_by: Mapping[Feature, str] = field(default_factory=dict, hash=False)

    @property
    def pending(self) -> tuple[Feature, ...]:
        """The features that are neither recognized nor failed yet."""
        return tuple(state.name for state in self.features if state.status is Status.PENDING)

    def summary(self) -> "ImageSummary":
        """The image as an entry of a list."""
        labels = self.findings.labels
        return ImageSummary(
            self.id,
            self.status,
            self.created_at,
            self.content,
            self.features,
            tuple(LabelSummary(label.name, label.confidence) for label in labels),
            self.recognized_at,
            self.failure,
        )


@dataclass(frozen=True)
class LabelSummary:
    """A label's name and its confidence from 0 to 100."""

    name: str
    confidence: float


@dataclass(frozen=True)
class ImageSummary:
    """An image as an entry of a list: without sources, deliveries and the details of findings."""

    id: str
    status: Status
    created_at: datetime
    content: Content | None = None
    features: tuple[FeatureState, ...] = ()
    labels: tuple[LabelSummary, ...] = ()
    recognized_at: datetime | None = None
    failure: Failure | None = None
