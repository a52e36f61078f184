"""Classifies an image or a part of it: EfficientNet-Lite2, trained on ImageNet's 1000 classes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from localcloud.rekognition.images import Pixels
from localcloud.rekognition.onnx_session import open_session

CLASS_COUNT = 1000
_INPUT_SIDE = 260
# The author evaluates on a center crop that leaves a margin of 32 pixels at the input's scale.
_CENTER_RATIO = _INPUT_SIDE / (_INPUT_SIDE + 32)

Probabilities = NDArray[np.float32]


class Classifier:
    """The classification network, from its ONNX file; thread-safe."""

    def __init__(self, model: Path) -> None:
        self._session = open_session(model)

    def classify(self, views: Sequence[Pixels]) -> Probabilities:
        """The class probabilities of each view: shape [views, 1000], each row summing to 1.

        Each view (RGB, [height, width, 3]) is resized to a square without keeping its aspect ratio.
        """
        if not views:
            return np.zeros((0, CLASS_COUNT), np.float32)
        batch = np.stack([_as_input(view) for view in views])
        (probabilities,) = self._session.run(None, {"image": batch})
        return np.asarray(probabilities)


def center_view(pixels: Pixels) -> Pixels:
    """The center square of `pixels`, cropped as for the network's published evaluation."""
    height, width = pixels.shape[:2]
    side = round(min(height, width) * _CENTER_RATIO)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def _as_input(pixels: Pixels) -> NDArray[np.float32]:
    side = (_INPUT_SIDE, _INPUT_SIDE)
    resized = Image.fromarray(pixels).resize(side, Image.Resampling.BICUBIC, reducing_gap=3.0)
    values = np.asarray(resized, dtype=np.float32)
    return ((values - np.float32(127)) / np.float32(128)).transpose(2, 0, 1)
