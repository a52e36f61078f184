"""Detects objects and their bounding boxes: SSDLite MobileNetV2, trained on COCO's 80 classes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from localcloud.rekognition.images import DecodedImage, Pixels
from localcloud.rekognition.onnx_session import open_session

MIN_SCORE = 0.35
_INPUT_SIDE = 300
_CANDIDATE_SCORE = 0.2  # of one pass; the mean of two passes can still reach MIN_SCORE
_MAX_OVERLAP = 0.5
# Scale factors of the box encoding, from the SSD configurations of
# https://github.com/tensorflow/models/blob/master/research/
# object_detection/box_coders/faster_rcnn_box_coder.py
_CENTER_SCALE = 10.0
_SIZE_SCALE = 5.0

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Box:
    """An upright rectangle, in ratios (0 to 1) of the image's width and height."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def area(self) -> float:
        """The area as a ratio of the image's area."""
        return (self.right - self.left) * (self.bottom - self.top)

    def overlap(self, other: "Box") -> float:
        """The intersection over union with `other`, 0 to 1."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        if width <= 0 or height <= 0:
            return 0.0
        intersection = width * height
        return intersection / (self.area + other.area - intersection)


@dataclass(frozen=True)
class Detection:
    """One object: its COCO class id (1 to 90), the network's score (0 to 1) and its box."""

    class_id: int
    score: float
    box: Box

    def mirrored(self) -> "Detection":
        """The detection with its box mirrored left to right."""
        box = self.box
        return replace(self, box=Box(1 - box.right, box.top, 1 - box.left, box.bottom))

    def is_same_object(self, other: "Detection") -> bool:
        """Whether both have the same class and overlap by more than _MAX_OVERLAP."""
        return self.class_id == other.class_id and self.box.overlap(other.box) > _MAX_OVERLAP


class Detector:
    """The detection network, from its ONNX file; thread-safe."""

    def __init__(self, model: Path) -> None:
        self._session = open_session(model)

    def detect(self, image: DecodedImage) -> list[Detection]:
        """The objects of an image, highest score first; of overlapping boxes of a class, the best.

        The network runs twice, the second time on the mirror image, and a score is the mean of both
        passes: a false detection in a texture seldom appears in both.
        """
        mirrored = self._detect(np.ascontiguousarray(image.pixels[:, ::-1]))
        passes = [self._detect(image.pixels), [found.mirrored() for found in mirrored]]
        merged = [_mean_score(found, passes) for found in (*passes[0], *passes[1])]
        return _suppress_overlapping(
            [detection for detection in merged if detection.score >= MIN_SCORE]
        )

    def _detect(self, pixels: Pixels) -> list[Detection]:
        encodings, scores, anchors = self._session.run(None, {"image": _as_input(pixels)})
        boxes = _decode_boxes(encodings[0], anchors)
        candidates = [
            Detection(int(class_id), float(scores[0, anchor, class_id]), boxes[anchor])
            for anchor, class_id in np.argwhere(scores[0] >= _CANDIDATE_SCORE)
            if class_id > 0  # the background
        ]
        return _suppress_overlapping(candidates)


def _mean_score(detection: Detection, passes: Sequence[list[Detection]]) -> Detection:
    """The detection with its mean score over the passes; a pass without the object counts as 0."""
    scores = [
        max((found.score for found in detections if found.is_same_object(detection)), default=0.0)
        for detections in passes
    ]
    return replace(detection, score=sum(scores) / len(scores))


def _as_input(pixels: Pixels) -> Floats:
    side = (_INPUT_SIDE, _INPUT_SIDE)
    resized = Image.fromarray(pixels).resize(side, Image.Resampling.BILINEAR)
    scaled = np.asarray(resized, dtype=np.float32) / 127.5 - 1
    return scaled.transpose(2, 0, 1)[None]


def _decode_boxes(encodings: Floats, anchors: Floats) -> list[Box]:
    """Boxes decoded from offsets to the anchors, which are (top, left, bottom, right) in ratios."""
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
