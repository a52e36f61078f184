"""The features that Rekognition recognizes in an image, and its findings.

The field names are Rekognition's in snake case. As in Rekognition's responses, confidences are
percentages from 0 to 100, and coordinates are ratios of the image's width and height.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum


class Feature(StrEnum):
    """A kind of findings that a caller can request for an image."""

    LABELS = "LABELS"
    TEXT = "TEXT"
    FACES = "FACES"
    MODERATION = "MODERATION"
    CELEBRITIES = "CELEBRITIES"
    PROPERTIES = "PROPERTIES"


@dataclass(frozen=True)
class RekognitionCall:
    """One call of a Rekognition operation, such as `DetectText`, and the features it covers."""

    operation: str
    features: tuple[Feature, ...]


@dataclass(frozen=True)
class BoundingBox:
    """A rectangle: `left` and `width` are ratios of the image's width, the others of its height."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Instance:
    """One occurrence of a label in the image."""

    confidence: float
    bounding_box: BoundingBox


@dataclass(frozen=True)
class Label:
    """An object, scene or concept that Rekognition detects in an image.

    `parents`, `aliases` and `categories` are names. `instances` is empty for a label that
    Rekognition does not locate.
    """

    name: str
    confidence: float
    parents: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    instances: tuple[Instance, ...] = ()


@dataclass(frozen=True)
class Point:
    """A point: `x` is a ratio of the image's width, `y` of its height."""

    x: float
    y: float


@dataclass(frozen=True)
class Text:
    """A line of text in the image, or a word of a line.

    `type` is LINE or WORD. `parent_id` is the `id` of the line that a word belongs to. The corners
    of `polygon` go clockwise from the upper left corner of the text itself.
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
    """A point of a face, such as `eyeLeft`; `x` and `y` are ratios as in Point."""

    type: str
    x: float
    y: float


@dataclass(frozen=True)
class Pose:
    """The rotation of a head, in degrees from -180 to 180."""

    roll: float
    yaw: float
    pitch: float


@dataclass(frozen=True)
class FaceQuality:
    """The brightness and sharpness of a face, each from 0 to 100."""

    brightness: float
    sharpness: float


@dataclass(frozen=True)
class AgeRange:
    """A range of ages in years, both ends included."""

    low: int
    high: int


@dataclass(frozen=True)
class FaceAttribute:
    """An attribute of a face.

    `value` is `True` or `False` for most types, such as `Smile`, and `Female` or `Male` for
    `Gender`.
    """

    type: str
    value: str
    confidence: float


@dataclass(frozen=True)
class Emotion:
    """The emotion that a face appears to express, which need not be what the person feels."""

    type: str
    confidence: float


@dataclass(frozen=True)
class Face:
    """A face. A field that is missing from Rekognition's response is None or empty."""

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
    """A category of content that may be inappropriate.

    `taxonomy_level` is 1 for the most general category.
    """

    name: str
    confidence: float
    parent_name: str | None = None
    taxonomy_level: int | None = None


@dataclass(frozen=True)
class Celebrity:
    """A celebrity. `id` and `urls` are Rekognition's."""

    id: str
    name: str
    match_confidence: float
    bounding_box: BoundingBox | None = None
    urls: tuple[str, ...] = ()


@dataclass(frozen=True)
class DominantColor:
    """A color of the image. `pixel_percent` is the percentage of pixels that have it."""

    hex_code: str
    css_color: str
    simplified_color: str
    pixel_percent: float


@dataclass(frozen=True)
class ImageQuality:
    """The brightness, sharpness and contrast of an image, each from 0 to 100."""

    brightness: float
    sharpness: float
    contrast: float


@dataclass(frozen=True)
class Properties:
    """The quality of an image and its dominant colors, the most frequent first."""

    quality: ImageQuality
    dominant_colors: tuple[DominantColor, ...] = ()


@dataclass(frozen=True)
class Findings:
    """What Rekognition finds in an image.

    A field is empty, or None, if its feature was not requested or nothing was found.
    """

    labels: tuple[Label, ...] = ()
    texts: tuple[Text, ...] = ()
    faces: tuple[Face, ...] = ()
    moderation_labels: tuple[ModerationLabel, ...] = ()
    celebrities: tuple[Celebrity, ...] = ()
    properties: Properties | None = None


# The field of Findings that holds each feature's findings.
FINDINGS_OF = {
    Feature.LABELS: "labels",
    Feature.TEXT: "texts",
    Feature.FACES: "faces",
    Feature.MODERATION: "moderation_labels",
    Feature.CELEBRITIES: "celebrities",
    Feature.PROPERTIES: "properties",
}


def merge_findings(findings: Iterable[Findings]) -> Findings:
    """The findings of several calls in one; for the same field, the last that is not empty wins."""
    result = Findings()
    for each in findings:
        found = {name: value for name, value in vars(each).items() if value}
        result = replace(result, **found)
    return result
