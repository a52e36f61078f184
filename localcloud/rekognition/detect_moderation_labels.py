"""The operation DetectModerationLabels, as far as a network of two classes can answer it.

https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DetectModerationLabels.html

The network, open_nsfw, tells how likely a picture is not safe for work, by which its makers mean
pornography. That is Rekognition's `Explicit` at the first level, and no more: which kind of it, and
everything else of Rekognition's taxonomy (violence, drugs, hate symbols …), it cannot tell.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from localcloud.rekognition.images import Picture
from localcloud.rekognition.onnx_session import open_session
from localcloud.rekognition.protocol import ServiceError

DEFAULT_MIN_CONFIDENCE = 50.0
# Rekognition's present version, with a name that says who answered, and to how much.
MODERATION_MODEL_VERSION = "7.0-local-explicit-only"
LABEL = "Explicit"

# open_nsfw was trained on pictures of 256 pixels cut to 224, blue first, less their mean.
_RESIZED_SIDE, _INPUT_SIDE = 256, 224
_MEAN = np.array([104.0, 117.0, 123.0], np.float32)


class ModerationNetwork:
    """The network; safe to use from many threads."""

    def __init__(self, model: Path) -> None:
        self._session = open_session(model)

    def explicit(self, picture: Picture) -> float:
        """The probability, 0 to 1, that a picture is explicit."""
        side = (_RESIZED_SIDE, _RESIZED_SIDE)
        resized = Image.fromarray(picture.pixels).resize(side, Image.Resampling.BILINEAR)
        margin = (_RESIZED_SIDE - _INPUT_SIDE) // 2
        cut = np.asarray(resized, np.float32)[margin:-margin, margin:-margin]
        image = (cut[:, :, ::-1] - _MEAN)[None]
        (probabilities,) = self._session.run(["outputs"], {"input:0": image})
        return float(probabilities[0, 1])


class DetectModerationLabels:
    """Answers DetectModerationLabels for a decoded picture."""

    def __init__(self, network: Callable[[], ModerationNetwork]) -> None:
        self._network = network

    def answer(self, request: Mapping[str, Any], picture: Picture) -> dict[str, Any]:
        """The response; raises ServiceError for what belongs to Amazon alone."""
        for name in ("HumanLoopConfig", "ProjectVersion"):
            if name in request:
                raise ServiceError(
                    "InvalidParameterException",
                    f"Request has invalid parameters: the local Rekognition has no {name}",
                )
        confidence = 100 * self._network().explicit(picture)
        labels = []
        if confidence >= request.get("MinConfidence", DEFAULT_MIN_CONFIDENCE):
            labels.append(
                {"Name": LABEL, "ParentName": "", "Confidence": confidence, "TaxonomyLevel": 1}
            )
        return {
            "ModerationLabels": labels,
            "ModerationModelVersion": MODERATION_MODEL_VERSION,
            "ContentTypes": [],
        }
