"""About how old a face looks, and male or female: HSE-FaceRes, trained on VGGFace2 and IMDB-WIKI.

https://github.com/HSE-asavchenko/HSE_FaceRec_tf
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from localcloud.rekognition.images import Picture, Pixels
from localcloud.rekognition.onnx_session import open_session
from localcloud.rekognition.rectangle import Rectangle, cut_out

_INPUT_SIDE = 224
# The network was trained on faces with some surroundings.
_MARGIN = 0.2


@dataclass(frozen=True)
class AgeAndGender:
    """`ages` [100] are probabilities of the years 0 to 99; `male` that people call it male."""

    ages: NDArray[np.float32]
    male: float


class AgeAndGenderReader:
    """The network; safe to use from many threads."""

    def __init__(self, model: Path) -> None:
        self._session = open_session(model)

    def read(self, picture: Picture, square: Rectangle) -> AgeAndGender:
        """The mean of two looks, the second time at the mirror image."""
        seen = cut_out(picture, square.grown(_MARGIN * square.length))
        looks = [self._look(seen), self._look(np.ascontiguousarray(seen[:, ::-1]))]
        ages, male = (np.mean(figures, axis=0) for figures in zip(*looks, strict=True))
        return AgeAndGender(ages, float(male[0]))

    def _look(self, pixels: Pixels) -> tuple[NDArray[np.float32], ...]:
        side = (_INPUT_SIDE, _INPUT_SIDE)
        resized = Image.fromarray(pixels).resize(side, Image.Resampling.BILINEAR)
        image = np.asarray(resized, np.float32)[None]  # 0 to 255
        outputs = self._session.run(["ages", "male"], {"image": image})
        return tuple(output[0] for output in outputs)
