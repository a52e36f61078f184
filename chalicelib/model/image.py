"""The words that every part of the app shares: an image, its labels, what became of them.

The field names are Rekognition's, in Python's spelling. Confidences are percentages from 0 to
100; bounding boxes are ratios of the image's width and height, as Rekognition gives them.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from chalicelib.model.findings import Feature, Findings


class Status(StrEnum):
    """How far the recognition of an image is."""

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
    """An image that somebody sends, as `url` or `content`, and the features to recognize."""

    features: tuple[Feature, ...]
    url: str | None = None
    content: bytes | None = None


@dataclass(frozen=True)
class Content:
    """The stored picture: sides in pixels, length in bytes."""

    content_type: str
    width: int
    height: int
    bytes: int


@dataclass(frozen=True)
class Original:
    """The picture as it came in: its kind (JPEG, WEBP, …), length in bytes and SHA-256 in hex."""

    kind: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Failure:
    """Why an image could not be recognized: a code for programs and a reason for people."""

    code: str
    reason: str


@dataclass(frozen=True)
class FeatureState:
    """How far one feature of an image is. `model_version` is None where Rekognition has none."""

    name: Feature
    status: Status
    requested_at: datetime
    recognized_at: datetime | None = None
    model_version: str | None = None
    failure: Failure | None = None


@dataclass(frozen=True)
class Delivery:
    """The state of one delivery of an image's result to the third party.

    `number` is 1 for the first and one more for each that somebody asks for, or a further result
    begins. `tries` counts the requests sent. `status_code` and `reason` are of the last try: its
    HTTP status, None where no answer came, and what went wrong, None where nothing did.
    """

    status: DeliveryStatus
    tries: int
    last_tried_at: datetime | None = None
    reason: str | None = None
    number: int = 1
    status_code: int | None = None
    requested_at: datetime | None = None
    next_try_at: datetime | None = None


@dataclass(frozen=True)
class Image:
    """Everything that is known of an image.

    `status` is of the image as a whole: PENDING until every feature that was asked for at first
    has come to an end, then RECOGNIZED if one of them was recognized. `features` tells of each,
    also of those that were asked for later. `failure` says why a FAILED image is. `deliveries` are
    in the order in which they began; `result_delivery` is the number of the one with which the
    present result is, or will be, told to the third party at first.
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

    @property
    def pending(self) -> tuple[Feature, ...]:
        """The features that have not come to an end."""
        return tuple(state.name for state in self.features if state.status is Status.PENDING)

    def summary(self) -> "ImageSummary":
        """The image as one of a list."""
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
    """A label by its name and confidence alone."""

    name: str
    confidence: float


@dataclass(frozen=True)
class ImageSummary:
    """An image as one of a list."""

    id: str
    status: Status
    created_at: datetime
    content: Content | None = None
    features: tuple[FeatureState, ...] = ()
    labels: tuple[LabelSummary, ...] = ()
    recognized_at: datetime | None = None
    failure: Failure | None = None
