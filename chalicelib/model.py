"""The words that every part of the app shares: an image, its labels, what became of them.

The field names are Rekognition's, in Python's spelling. Confidences are percentages from 0 to
100; bounding boxes are ratios of the image's width and height, as Rekognition gives them.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

_IMAGE_ID = re.compile(r"[0-9a-f]{32}")


class Status(StrEnum):
    """How far the recognition of an image is."""

    PENDING = "PENDING"
    RECOGNIZED = "RECOGNIZED"
    FAILED = "FAILED"


class DeliveryStatus(StrEnum):
    """How far the delivery of a result to the third party is."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"


@dataclass(frozen=True)
class BoundingBox:
    """A rectangle: `left` and `width` as ratios of the image's width, the others of its height."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Instance:
    """One occurrence of a label, at a place in the image."""

    confidence: float
    bounding_box: BoundingBox


@dataclass(frozen=True)
class Label:
    """Something that Rekognition sees in an image."""

    name: str
    confidence: float
    parents: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    instances: tuple[Instance, ...] = ()


@dataclass(frozen=True)
class Recognition:
    """What one call of DetectLabels told."""

    labels: tuple[Label, ...]
    model_version: str


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
class Delivery:
    """The state of an image's delivery to the third party.

    `tries` counts the requests sent. `reason` is the last thing that went wrong, if anything did.
    """

    status: DeliveryStatus
    tries: int
    last_tried_at: datetime
    reason: str | None = None


@dataclass(frozen=True)
class Image:
    """Everything that is known of an image."""

    id: str
    status: Status
    created_at: datetime
    sources: tuple[str, ...] = ()
    content: Content | None = None
    original: Original | None = None
    labels: tuple[Label, ...] = ()
    model_version: str | None = None
    recognized_at: datetime | None = None
    failure: Failure | None = None
    delivery: Delivery | None = None


def is_image_id(text: str) -> bool:
    """Whether a text can be an image's id: 32 hexadecimal digits in lower case."""
    return _IMAGE_ID.fullmatch(text) is not None
