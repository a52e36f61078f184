"""What tells a face from another, and about how old it is: HSE-FaceRes.

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

DESCRIPTOR_SIZE = 1024
_INPUT_SIDE = 224
# The network was trained on faces with some surroundings.
MARGIN = 0.2

Descriptor = NDArray[np.float32]


@dataclass(frozen=True)
class Description:
    """A face in figures.

    `descriptor` [1024] has the length 1; `ages` [100] are probabilities of the years 0 to 99;
    `male` is the probability that people call the face male.
    """

    descriptor: Descriptor
    ages: NDArray[np.float32]
    male: float


class FaceDescriber:
    """The network; safe to use from many threads."""

    def __init__(self, model: Path) -> None:
        self._session = open_session(model)

    def describe(self, picture: Picture, square: Rectangle) -> Description:
        """The mean of two looks, the second time at the mirror image."""
        seen = cut_out(picture, square.grown(MARGIN * square.length))
        looks = [self._look(seen), self._look(np.ascontiguousarray(seen[:, ::-1]))]
        descriptor, ages, male = (np.mean(figures, axis=0) for figures in zip(*looks, strict=True))
        length = float(np.linalg.norm(descriptor)) or 1.0
        return Description((descriptor / length).astype(np.float32), ages, float(male[0]))

    def _look(self, pixels: Pixels) -> tuple[NDArray[np.float32], ...]:
        side = (_INPUT_SIDE, _INPUT_SIDE)
        resized = Image.fromarray(pixels).resize(side, Image.Resampling.BILINEAR)
        image = np.asarray(resized, np.float32)[None]  # 0 to 255
        outputs = self._session.run(["descriptor", "ages", "male"], {"image": image})
        return tuple(output[0] for output in outputs)
