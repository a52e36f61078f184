"""Finds lines of text: the detector of PP-OCRv6, which marks the cores of text lines.

The constants are those that RapidOCR 3.10.0 uses with this network (config.yaml, Det). `regions`
replaces what RapidOCR does with OpenCV, Shapely and pyclipper.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from localcloud.rekognition.images import DecodedImage
from localcloud.rekognition.onnx_session import open_session
from localcloud.rekognition.rectangle import Rectangle
from localcloud.rekognition.text.regions import rectangles_around

_MIN_SHORT_SIDE = 736  # a smaller image is enlarged
# The network's memory grows with the number of pixels: about 400 MB for this many.
_MAX_PIXELS = 1_200_000
_STRIDE = 32
_MIN_PROBABILITY = 0.3  # of a pixel that counts as marked
_MIN_SCORE = 0.5
_MAX_REGIONS = 1000
_MIN_THICKNESS = 3  # of a core, in map pixels
# The network marks regions shrunk by area x ratio / perimeter; this ratio expands them again.
_UNCLIP_RATIO = 1.6

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class TextRegion:
    """A possible line of text: its rectangle, in image pixels, and a score (0 to 1).

    The rectangle's `along` is the reading direction.
    """

    place: Rectangle
    score: float


class TextDetector:
    """The text detection network, from its ONNX file; thread-safe."""

    def __init__(self, model: Path) -> None:
        self._session = open_session(model, keeps_memory=False)

    def detect(self, image: DecodedImage) -> list[TextRegion]:
        """The regions of an image that look like lines of text."""
        width, height = _input_size(image.width, image.height)
        resized = Image.fromarray(image.pixels).resize((width, height), Image.Resampling.BILINEAR)
        scaled = np.asarray(resized, np.float32) / 127.5 - 1
        # The network was trained on BGR.
        (maps,) = self._session.run(None, {"x": scaled[..., ::-1].transpose(2, 0, 1)[None]})
        scale = (image.width / width, image.height / height)
        regions = _text_regions(maps[0, 0])
        return [TextRegion(_in_image(found.place, scale), found.score) for found in regions]


def _input_size(width: int, height: int) -> tuple[int, int]:
    scale = max(1.0, _MIN_SHORT_SIDE / min(width, height))
    scale = min(scale, (_MAX_PIXELS / (width * height)) ** 0.5)
    return _to_stride(width * scale), _to_stride(height * scale)


def _to_stride(side: float) -> int:
    return max(1, round(side / _STRIDE)) * _STRIDE


def _text_regions(probabilities: Floats) -> list[TextRegion]:
    marked = probabilities > _MIN_PROBABILITY
    marked[:, 1:] |= marked[:, :-1].copy()  # bridges one-pixel gaps
    marked[1:] |= marked[:-1].copy()
    regions = []
    for core in rectangles_around(marked)[:_MAX_REGIONS]:
        if min(core.length, core.thickness) < _MIN_THICKNESS:
            continue
        score = _mean_within(probabilities, core)
        if score < _MIN_SCORE:
            continue
        area, perimeter = core.length * core.thickness, 2 * (core.length + core.thickness)
        place = core.grown(area * _UNCLIP_RATIO / perimeter)
        regions.append(TextRegion(place, score))
    return regions


def _mean_within(probabilities: Floats, core: Rectangle) -> float:
    corners = core.corners()
    left, top = np.floor(corners.min(axis=0)).astype(int).clip(0).tolist()
    right, bottom = np.ceil(corners.max(axis=0)).astype(int).tolist()
    part = probabilities[top:bottom, left:right]
    rows, columns = np.indices(part.shape) + 0.5
    x, y = columns + (left - core.center[0]), rows + (top - core.center[1])
    is_within = np.abs(x * core.along[0] + y * core.along[1]) <= core.length / 2
    is_within &= np.abs(x * core.across[0] + y * core.across[1]) <= core.thickness / 2
    return float(part[is_within].mean()) if is_within.any() else 0.0


def _in_image(region: Rectangle, scale: tuple[float, float]) -> Rectangle:
    """The region in image pixels, with `along` in the reading direction.

    Text reads to the right, or up or down if it is vertical.
    """
    start, end, _, below = region.corners() * scale
    along, across = end - start, below - start
    center = (start + (along + across) / 2).tolist()
    length, thickness = float(np.hypot(*along)), float(np.hypot(*across))
    # A line is longer than it is thick. A single letter is not, and is assumed to be upright.
    is_letter = max(length, thickness) < 1.5 * min(length, thickness)
    is_across = abs(across[0]) > abs(along[0]) if is_letter else thickness > length
    if is_across:
        along, length, thickness = across, thickness, length
    if along[0] < 0 or (along[0] == 0 and along[1] < 0):
        along = -along
    x, y = (along / np.hypot(*along)).tolist()
    return Rectangle((center[0], center[1]), (x, y), length, thickness)
