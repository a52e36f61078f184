"""The operation DetectText.

https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DetectText.html
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from localcloud.rekognition.images import DecodedImage
from localcloud.rekognition.protocol import ServiceError
from localcloud.rekognition.rectangle import Points, Rectangle
from localcloud.rekognition.text.recognizer import Line, TextRecognizer, Word

MAX_WORDS = 100
DEFAULT_MIN_CONFIDENCE = 80.0
# Rekognition's current version, marked as local.
TEXT_MODEL_VERSION = "3.0-local"
# Small print would be illegible at the labels' working size.
IMAGE_SIDE = 1600


class DetectText:
    """Answers DetectText for a decoded image."""

    def __init__(self, recognizer: Callable[[], TextRecognizer]) -> None:
        self._recognizer = recognizer

    def answer(self, request: Mapping[str, Any], image: DecodedImage) -> dict[str, Any]:
        """The response; raises ServiceError InvalidParameterException for an invalid region."""
        filters = _Filters.of(request.get("Filters", {}))
        lines = self._recognizer().recognize(image)
        return {
            "TextDetections": _detections(_chosen(lines, filters, image), image),
            "TextModelVersion": TEXT_MODEL_VERSION,
        }


@dataclass(frozen=True)
class _Filters:
    """What a word must meet: confidence 0 to 100, the rest as ratios of the image's size."""

    min_confidence: float
    min_width: float
    min_height: float
    regions: tuple[Points, ...]  # polygons; if empty, the whole image

    @classmethod
    def of(cls, filters: Mapping[str, Any]) -> "_Filters":
        word = filters.get("WordFilter", {})
        return cls(
            min_confidence=word.get("MinConfidence", DEFAULT_MIN_CONFIDENCE),
            min_width=word.get("MinBoundingBoxWidth", 0.0),
            min_height=word.get("MinBoundingBoxHeight", 0.0),
            regions=tuple(map(_polygon, filters.get("RegionsOfInterest", ()))),
        )

    def passes(self, word: Word, image: DecodedImage) -> bool:
        box = _bounding_box(_ratios(word.place, image))
        center = word.place.center[0] / image.width, word.place.center[1] / image.height
        return (
            word.confidence >= self.min_confidence
            and box["Width"] >= self.min_width
            and box["Height"] >= self.min_height
            and (not self.regions or any(_is_within(center, region) for region in self.regions))
        )


def _chosen(lines: Sequence[Line], filters: _Filters, image: DecodedImage) -> list[Line]:
    """The lines with only the words that pass, at most 100 words; lines without any are dropped.

    The text of a line is not shortened.
    """
    chosen = []
    words_left = MAX_WORDS
    for line in lines:
        words = [word for word in line.words if filters.passes(word, image)][:words_left]
        words_left -= len(words)
        if words:
            chosen.append(replace(line, words=tuple(words)))
    return chosen


def _detections(lines: Sequence[Line], image: DecodedImage) -> list[dict[str, Any]]:
    """All lines, then all words, numbered consecutively, as in Rekognition's responses."""
    found = [_detection(line, "LINE", number, image) for number, line in enumerate(lines)]
    for parent, line in enumerate(lines):
        for word in line.words:
            detection = _detection(word, "WORD", len(found), image)
            found.append(detection | {"ParentId": parent})
    return found


def _detection(text: Line | Word, kind: str, number: int, image: DecodedImage) -> dict[str, Any]:
    polygon = _ratios(text.place, image)
    return {
        "DetectedText": text.text,
        "Type": kind,
        "Id": number,
        "Confidence": text.confidence,
        "Geometry": {
            "BoundingBox": _bounding_box(polygon),
            "Polygon": [{"X": x, "Y": y} for x, y in polygon.tolist()],
        },
    }


def _ratios(place: Rectangle, image: DecodedImage) -> Points:
    """The corners as ratios of the image's size, clipped to the image."""
    return (place.corners() / (image.width, image.height)).clip(0, 1)


def _bounding_box(polygon: Points) -> dict[str, float]:
    left, top = polygon.min(axis=0).tolist()
    right, bottom = polygon.max(axis=0).tolist()
    return {"Left": left, "Top": top, "Width": right - left, "Height": bottom - top}


def _polygon(region: Mapping[str, Any]) -> Points:
    if ("BoundingBox" in region) == ("Polygon" in region):
        raise _invalid("a region of interest needs either a BoundingBox or a Polygon")
    if "Polygon" in region:
        points = [(point.get("X"), point.get("Y")) for point in region["Polygon"]]
        if len(points) < 3 or any(None in point for point in points):
            raise _invalid("a Polygon needs at least three points with X and Y")
        return np.array(points, np.float64)
    box = region["BoundingBox"]
    sides = [box.get(side) for side in ("Left", "Top", "Width", "Height")]
    if None in sides:
        raise _invalid("a BoundingBox needs Left, Top, Width and Height")
    left, top, width, height = sides
    right, bottom = left + width, top + height
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float64)


def _is_within(point: tuple[float, float], polygon: Points) -> bool:
    """Whether a ray to the right of `point` crosses the polygon's edges an odd number of times.

    This is the even-odd rule: https://www.w3.org/TR/SVG11/painting.html#FillRuleProperty
    """
    x, y = point
    starts, ends = polygon, np.roll(polygon, -1, axis=0)
    is_crossing = (starts[:, 1] > y) != (ends[:, 1] > y)
    starts, ends = starts[is_crossing], ends[is_crossing]
    slopes = (ends[:, 0] - starts[:, 0]) / (ends[:, 1] - starts[:, 1])
    crossings = starts[:, 0] + (y - starts[:, 1]) * slopes
    return bool(np.count_nonzero(crossings > x) % 2)


def _invalid(what: str) -> ServiceError:
    return ServiceError("InvalidParameterException", f"Request has invalid parameters: {what}")
