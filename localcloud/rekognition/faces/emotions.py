"""Estimates the emotions a face expresses: a mini-Xception network, trained on FER-2013.

https://github.com/oarriaga/face_classification
"""

from pathlib import Path

import numpy as np
from PIL import Image

from localcloud.rekognition.images import DecodedImage
from localcloud.rekognition.onnx_session import open_session
from localcloud.rekognition.rectangle import Rectangle, cut_out

# The network's classes, with Rekognition's names; it has none for CONFUSED and UNKNOWN.
EMOTIONS = ("ANGRY", "DISGUSTED", "FEAR", "HAPPY", "SAD", "SURPRISED", "CALM")
_INPUT_SIDE = 64
# Luma weights of red, green and blue: ITU-R Recommendation BT.601.
_LUMA_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)


class EmotionReader:
    """The emotion network, from its ONNX file; thread-safe."""

    def __init__(self, model: Path) -> None:
        self._session = open_session(model)

    def read(self, image: DecodedImage, square: Rectangle) -> dict[str, float]:
        """The probability (0 to 1) of each emotion of the face in `square`; they sum to 1."""
        cut = Image.fromarray(cut_out(image, square))
        resized = cut.resize((_INPUT_SIDE, _INPUT_SIDE), Image.Resampling.BILINEAR)
        luminance = np.asarray(resized, np.float32) @ _LUMA_WEIGHTS
        network_input = (luminance / 127.5 - 1)[None, :, :, None]
        (probabilities,) = self._session.run(["emotions"], {"image": network_input})
        return dict(zip(EMOTIONS, probabilities[0].tolist(), strict=True))
