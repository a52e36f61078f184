"""What Rekognition can be asked about an image, and what it finds.

The field names are Rekognition's, in Python's spelling. Confidences are percentages from 0 to
100; bounding boxes are ratios of the image's width and height, as Rekognition gives them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum


class Feature(StrEnum):
    """Something that Rekognition can be asked about an image."""

    LABELS = "LABELS"
    TEXT = "TEXT"
    FACES = "FACES"
    MODERATION = "MODERATION"
    CELEBRITIES = "CELEBRITIES"
    PROPERTIES = "PROPERTIES"


@dataclass(frozen=True)
class RekognitionCall:
    """One call: an operation of Rekognition, such as `DetectText`, and the features it answers."""

    operation: str
    features: tuple[Feature, ...]


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


# Where the findings of a feature are in Findings.
FINDINGS_OF = {
    Feature.LABELS: "labels",
    Feature.TEXT: "texts",
    Feature.FACES: "faces",
    Feature.MODERATION: "moderation_labels",
    Feature.CELEBRITIES: "celebrities",
    Feature.PROPERTIES: "properties",
}


def merge_findings(findings: Iterable[Findings]) -> Findings:
    """The findings of several calls as one; where two calls answer one feature the later wins."""
    result = Findings()
    for each in findings:
        found = {name: value for name, value in vars(each).items() if value}
        result = replace(result, **found)
    return result
