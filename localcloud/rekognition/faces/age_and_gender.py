"""Estimates a face's apparent age and gender: HSE-FaceRes, trained on VGGFace2 and IMDB-WIKI.

https://github.com/HSE-asavchenko/HSE_FaceRec_tf
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from localcloud.rekognition.images import DecodedImage, Pixels
from localcloud.rekognition.onnx_session import open_session
from localcloud.rekognition.rectangle import Rectangle, cut_out

_INPUT_SIDE = 224
# The network was trained on faces with some context around them.
_MARGIN = 0.2


@dataclass(frozen=True)
class AgeAndGender:
    """The probabilities (0 to 1) of each age from 0 to 99 (`ages` [100]) and of appearing male."""

    ages: NDArray[np.float32]
    male: float


class AgeAndGenderReader:
    """The age and gender network, from its ONNX file; thread-safe."""

    def __init__(self, model: Path) -> None:
        self._session = open_session(model)

    def read(self, image: DecodedImage, square: Rectangle) -> AgeAndGender:
        """The estimate for the face in `square`: the mean of the image and its mirror image."""
        pixels = cut_out(image, square.grown(_MARGIN * square.length))
        passes = [self._run(pixels), self._run(np.ascontiguousarray(pixels[:, ::-1]))]
        ages, male = (np.mean(outputs, axis=0) for outputs in zip(*passes, strict=True))
        return AgeAndGender(ages, float(male[0]))

    def _run(self, pixels: Pixels) -> tuple[NDArray[np.float32], ...]:
        side = (_INPUT_SIDE, _INPUT_SIDE)
        resized = Image.fromarray(pixels).resize(side, Image.Resampling.BILINEAR)
        image = np.asarray(resized, np.float32)[None]  # 0 to 255
        outputs = self._session.run(["ages", "male"], {"image": image})
        return tuple(output[0] for output in outputs)
