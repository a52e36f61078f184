"""Detects face candidates: BlazeFace, MediaPipe's detector for whole images.

The decoding follows https://github.com/vladmandic/human, src/face/blazeface.ts (MIT).
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from localcloud.rekognition.images import DecodedImage, Pixels
from localcloud.rekognition.onnx_session import open_session
from localcloud.rekognition.rectangle import Points, Rectangle

MIN_SCORE = 0.55
_INPUT_SIDE = 256
_TILE_SIDE, _MIN_SIDE_OF_TILED = 400, 800
# Anchor grids: pixels between anchors, and anchors per position.
_FINE, _COARSE = (16, 2), (32, 6)
_MAX_OVERLAP = 0.3
_LEFT_EYE, _RIGHT_EYE = 0, 1  # of the six key points; left and right are the image's

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class FaceCandidate:
    """A possible face: a square in image pixels, aligned with the eyes, and a score (0 to 1)."""

    place: Rectangle
    score: float


class FaceDetector:
    """The face detection network, from its ONNX file; thread-safe."""

    def __init__(self, model: Path) -> None:
        self._session = open_session(model)
        self._anchors = np.concatenate([_anchors(*_FINE), _anchors(*_COARSE)])

    def detect(self, image: DecodedImage) -> list[FaceCandidate]:
        """The candidates in an image; of overlapping ones, the one with the highest score.

        A large image is also searched tile by tile, because a face in a group is only a few pixels
        of the whole.
        """
        found = self._detect(image.pixels, (0, 0))
        for top, left, side in _tiles(image):
            found += self._detect(image.pixels[top : top + side, left : left + side], (left, top))
        return _without_overlapping(found)

    def _detect(self, pixels: Pixels, corner: tuple[int, int]) -> list[FaceCandidate]:
        image, scale, offset = _letterbox(pixels)
        outputs = self._session.run(None, {"image": image})
        fine_scores, coarse_scores, fine_boxes, coarse_boxes = (output[0] for output in outputs)
        logits = np.concatenate([fine_scores, coarse_scores])[:, 0].astype(np.float64)
        scores = 1 / (1 + np.exp(-logits.clip(-50, 50)))
        boxes = np.concatenate([fine_boxes, coarse_boxes]).astype(np.float64)
        found = []
        for number in np.flatnonzero(scores >= MIN_SCORE).tolist():
            points = (boxes[number].reshape(8, 2) + self._anchors[number] - offset) / scale
            points += corner
            # The second pair is a width and a height, not a point.
            size = boxes[number, 2:4] / scale
            place = _square(points[0], size, points[2 + _LEFT_EYE], points[2 + _RIGHT_EYE])
            found.append(FaceCandidate(place, float(scores[number])))
        return _without_overlapping(found)


def _tiles(image: DecodedImage) -> list[tuple[int, int, int]]:
    """Top, left and side of squares that cover a large image and overlap by at least a third."""
    side = max(_TILE_SIDE, max(image.width, image.height) * 3 // 8)
    if max(image.width, image.height) < _MIN_SIDE_OF_TILED:
        return []
    tops, lefts = _starts(image.height, side), _starts(image.width, side)
    return [(top, left, side) for top in tops for left in lefts]


def _starts(length: int, side: int) -> list[int]:
    if length <= side:
        return [0]
    count = math.ceil((length - side) / (side * 2 / 3)) + 1
    return [round(number * (length - side) / (count - 1)) for number in range(count)]


def _anchors(stride: int, count: int) -> Points:
    """The centers of a grid's cells, row by row, each `count` times: [anchors, 2]."""
    centers = (np.arange(_INPUT_SIDE // stride) + 0.5) * stride
    x, y = np.meshgrid(centers, centers)
    return np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), count, axis=0)


def _letterbox(pixels: Pixels) -> tuple[Floats, float, Points]:
    """The network input, `pixels` centered on black; its scale, and the offset of the pixels."""
    height, width = pixels.shape[:2]
    scale = _INPUT_SIDE / max(width, height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    resized = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR)
    corner = (_INPUT_SIDE - size[0]) // 2, (_INPUT_SIDE - size[1]) // 2
    square = Image.new("RGB", (_INPUT_SIDE, _INPUT_SIDE))
    square.paste(resized, corner)
    image = np.asarray(square, np.float32)[None] / np.float32(127) - np.float32(1)
    return image, scale, np.array(corner, np.float64)


def _square(center: Points, size: Points, left_eye: Points, right_eye: Points) -> Rectangle:
    x, y = (right_eye - left_eye).tolist()
    length = math.hypot(x, y) or 1.0
    side = float(size.max())
    return Rectangle((float(center[0]), float(center[1])), (x / length, y / length), side, side)


def _without_overlapping(candidates: list[FaceCandidate]) -> list[FaceCandidate]:
    kept: list[FaceCandidate] = []
    for candidate in sorted(candidates, key=lambda candidate: -candidate.score):
        if all(_overlap(candidate.place, other.place) <= _MAX_OVERLAP for other in kept):
            kept.append(candidate)
    return kept


def _overlap(one: Rectangle, other: Rectangle) -> float:
    """The intersection over union of two squares, ignoring their rotation."""
    sides = [
        min(a + one.length / 2, b + other.length / 2)
        - max(a - one.length / 2, b - other.length / 2)
        for a, b in zip(one.center, other.center, strict=True)
    ]
    intersection = max(0.0, sides[0]) * max(0.0, sides[1])
    return intersection / (one.length**2 + other.length**2 - intersection)
