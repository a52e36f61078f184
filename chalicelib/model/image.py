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


class Feature(StrEnum):
    """Something that Rekognition can be asked about an image."""

    LABELS = "LABELS"
    TEXT = "TEXT"
    FACES = "FACES"
    MODERATION = "MODERATION"
    CELEBRITIES = "CELEBRITIES"
    PROPERTIES = "PROPERTIES"


class DeliveryStatus(StrEnum):
    """How far a delivery of a result to the third party is."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    SUPERSEDED = "SUPERSEDED"  # given up for a later delivery


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
class Point:
    """A place: `x` as a ratio of the image's width, `y` of its height."""

    x: float
    y: float


@dataclass(frozen=True)
class Text:
    """A line of text in the image, or a word of one.

    `type` is LINE or WORD; `parent_id` is the `id` of a word's line. The polygon's corners go
    clockwise from the text's own upper left.
    """

    id: int
    type: str
    detected_text: str
    confidence: float
    bounding_box: BoundingBox
    polygon: tuple[Point, ...]
    parent_id: int | None = None


@dataclass(frozen=True)
class Landmark:
    """A point of a face, such as `eyeLeft`."""

    type: str
    x: float
    y: float


@dataclass(frozen=True)
class Pose:
    """How a head is turned: degrees from -180 to 180."""

    roll: float
    yaw: float
    pitch: float


@dataclass(frozen=True)
class FaceQuality:
    """Brightness and sharpness of a face, each from 0 to 100."""

    brightness: float
    sharpness: float


@dataclass(frozen=True)
class AgeRange:
    """Years, both ends included."""

    low: int
    high: int


@dataclass(frozen=True)
class FaceAttribute:
    """What a face shows, such as `Smile`: `True` or `False`, or `Gender`: `Female` or `Male`."""

    type: str
    value: str
    confidence: float


@dataclass(frozen=True)
class Emotion:
    """What a face looks like, which need not be what the person feels."""

    type: str
    confidence: float


@dataclass(frozen=True)
class Face:
    """A face; what the service did not tell is None or empty."""

    confidence: float
    bounding_box: BoundingBox
    age_range: AgeRange | None = None
    attributes: tuple[FaceAttribute, ...] = ()
    emotions: tuple[Emotion, ...] = ()
    landmarks: tuple[Landmark, ...] = ()
    pose: Pose | None = None
    quality: FaceQuality | None = None


@dataclass(frozen=True)
class ModerationLabel:
    """Something that not everybody may want to see. `taxonomy_level` is 1 for the most general."""

    name: str
    confidence: float
    parent_name: str | None = None
    taxonomy_level: int | None = None


@dataclass(frozen=True)
class Celebrity:
    """A well-known person. `id` and `urls` are Rekognition's."""

    id: str
    name: str
    match_confidence: float
    bounding_box: BoundingBox | None = None
    urls: tuple[str, ...] = ()


@dataclass(frozen=True)
class DominantColor:
    """A color of the image and the percentage of the pixels that have it."""

    hex_code: str
    css_color: str
    simplified_color: str
    pixel_percent: float


@dataclass(frozen=True)
class ImageQuality:
    """Brightness, sharpness and contrast, each from 0 to 100."""

    brightness: float
    sharpness: float
    contrast: float


@dataclass(frozen=True)
class Properties:
    """The colors of an image, the most frequent first, and its quality."""

    quality: ImageQuality
    dominant_colors: tuple[DominantColor, ...] = ()


@dataclass(frozen=True)
class Findings:
    """What Rekognition told of an image; what was not asked, or not found, is empty."""

    labels: tuple[Label, ...] = ()
    texts: tuple[Text, ...] = ()
    faces: tuple[Face, ...] = ()
    moderation_labels: tuple[ModerationLabel, ...] = ()
    celebrities: tuple[Celebrity, ...] = ()
    properties: Properties | None = None


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
    findings: Findings = Findings()
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


def is_image_id(text: str) -> bool:
    """Whether a text can be an image's id: 32 hexadecimal digits in lower case."""
    return _IMAGE_ID.fullmatch(text) is not None
