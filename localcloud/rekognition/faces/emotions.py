"""What a face seems to express: a small network of the mini-Xception kind, trained on FER-2013.

https://github.com/oarriaga/face_classification
"""

from pathlib import Path

import numpy as np
from PIL import Image

from localcloud.rekognition.images import Picture
from localcloud.rekognition.onnx_session import open_session
from localcloud.rekognition.rectangle import Rectangle, cut_out

# The network's classes under Rekognition's names; CONFUSED and UNKNOWN have none.
EMOTIONS = ("ANGRY", "DISGUSTED", "FEAR", "HAPPY", "SAD", "SURPRISED", "CALM")
_INPUT_SIDE = 64
# Rec. 601 weights of red, green and blue.
_LUMA_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)


class EmotionReader:
    """The network; safe to use from many threads."""

    def __init__(self, model: Path) -> None:
        self._session = open_session(model)

    def read(self, picture: Picture, square: Rectangle) -> dict[str, float]:
        """The probability of each emotion, 0 to 1; together they are 1."""
        cut = Image.fromarray(cut_out(picture, square))
        resized = cut.resize((_INPUT_SIDE, _INPUT_SIDE), Image.Resampling.BILINEAR)
        luminance = np.asarray(resized, np.float32) @ _LUMA_WEIGHTS
        image = (luminance / 127.5 - 1)[None, :, :, None]
        (probabilities,) = self._session.run(["emotions"], {"image": image})
        return dict(zip(EMOTIONS, probabilities[0].tolist(), strict=True))
