"""Objects with their boxes: SSDLite MobileNetV2, trained on COCO's 80 classes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from localcloud.rekognition.images import Picture, Pixels
from localcloud.rekognition.onnx_session import open_session

MIN_SCORE = 0.35
_INPUT_SIDE = 300
_CANDIDATE_SCORE = 0.2  # of one look; the mean of two may still reach MIN_SCORE
_MAX_OVERLAP = 0.5
# Of the anchors' coding: https://github.com/tensorflow/models/blob/master/research/
# object_detection/box_coders/faster_rcnn_box_coder.py, scales of the SSD configurations.
_CENTER_SCALE = 10.0
_SIZE_SCALE = 5.0

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Box:
    """A rectangle in ratios (0 to 1) of the picture's width and height."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def area(self) -> float:
        """As a ratio of the picture's area."""
        return (self.right - self.left) * (self.bottom - self.top)

    def overlap(self, other: "Box") -> float:
        """Intersection over union, 0 to 1."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        if width <= 0 or height <= 0:
            return 0.0
        intersection = width * height
        return intersection / (self.area + other.area - intersection)


@dataclass(frozen=True)
class Detection:
    """One object: COCO's class id (1 to 90), the network's score (0 to 1), and where."""

    class_id: int
    score: float
    box: Box

    def mirrored(self) -> "Detection":
        """As seen in the mirror image."""
        box = self.box
        return replace(self, box=Box(1 - box.right, box.top, 1 - box.left, box.bottom))

    def is_same_object(self, other: "Detection") -> bool:
        """Whether two detections are of one class and in one place."""
        return self.class_id == other.class_id and self.box.overlap(other.box) > _MAX_OVERLAP


class Detector:
    """The network; safe to use from many threads."""

    def __init__(self, model: Path) -> None:
        self._session = open_session(model)

    def detect(self, picture: Picture) -> list[Detection]:
        """The objects of a picture, the best first; of boxes that overlap, the best of its class.

        The network looks twice, the second time at the mirror image, and a score is the mean of
        both looks: what it only fancies in a texture, it seldom fancies both ways.
        """
        mirrored = self._look(np.ascontiguousarray(picture.pixels[:, ::-1]))
        looks = [self._look(picture.pixels), [found.mirrored() for found in mirrored]]
        merged = [_mean_score(found, looks) for found in (*looks[0], *looks[1])]
        return _suppress_overlapping(
            [detection for detection in merged if detection.score >= MIN_SCORE]
        )

    def _look(self, pixels: Pixels) -> list[Detection]:
        encodings, scores, anchors = self._session.run(None, {"image": _as_input(pixels)})
        boxes = _decode_boxes(encodings[0], anchors)
        candidates = [
            Detection(int(class_id), float(scores[0, anchor, class_id]), boxes[anchor])
            for anchor, class_id in np.argwhere(scores[0] >= _CANDIDATE_SCORE)
            if class_id > 0  # the background
        ]
        return _suppress_overlapping(candidates)


def _mean_score(detection: Detection, looks: Sequence[list[Detection]]) -> Detection:
    """The detection with the mean of the scores of what lies there in each look; 0 for nothing."""
    scores = [
        max((found.score for found in look if found.is_same_object(detection)), default=0.0)
        for look in looks
    ]
    return replace(detection, score=sum(scores) / len(scores))


def _as_input(pixels: Pixels) -> Floats:
    side = (_INPUT_SIDE, _INPUT_SIDE)
    resized = Image.fromarray(pixels).resize(side, Image.Resampling.BILINEAR)
    scaled = np.asarray(resized, dtype=np.float32) / 127.5 - 1
    return scaled.transpose(2, 0, 1)[None]


def _decode_boxes(encodings: Floats, anchors: Floats) -> list[Box]:
    """Boxes from their offsets to the anchors, which are (top, left, bottom, right)."""
    sizes = anchors[:, 2:] - anchors[:, :2]
    centers = anchors[:, :2] + sizes / 2
    centers = centers + encodings[:, :2] / _CENTER_SCALE * sizes
    sizes = sizes * np.exp(encodings[:, 2:] / _SIZE_SCALE)
    corners = np.concatenate([centers - sizes / 2, centers + sizes / 2], axis=1).clip(0, 1)
    return [Box(left, top, right, bottom) for top, left, bottom, right in corners.tolist()]


def _suppress_overlapping(candidates: list[Detection]) -> list[Detection]:
    kept: list[Detection] = []
    for candidate in sorted(candidates, key=lambda detection: -detection.score):
        if not any(candidate.is_same_object(other) for other in kept):
            kept.append(candidate)
    return kept
