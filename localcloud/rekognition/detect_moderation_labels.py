"""The operation DetectModerationLabels, as far as a two-class network can answer it.

https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DetectModerationLabels.html

The network, open_nsfw, estimates how likely an image is not safe for work, by which its authors
mean pornography. That corresponds to Rekognition's top-level `Explicit` and nothing else: it cannot
recognize the labels below it, nor the rest of the taxonomy (violence, drugs, hate symbols …).
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from localcloud.rekognition.images import DecodedImage
from localcloud.rekognition.onnx_session import open_session
from localcloud.rekognition.protocol import ServiceError

DEFAULT_MIN_CONFIDENCE = 50.0
# Rekognition's current version, marked as local and limited to one label.
MODERATION_MODEL_VERSION = "7.0-local-explicit-only"
LABEL = "Explicit"

# open_nsfw was trained on images resized to 256 x 256, cropped to 224 x 224, BGR, minus the mean.
_RESIZED_SIDE, _INPUT_SIDE = 256, 224
_MEAN = np.array([104.0, 117.0, 123.0], np.float32)


class ModerationNetwork:
    """The open_nsfw network, from its ONNX file; thread-safe."""

    def __init__(self, model: Path) -> None:
        self._session = open_session(model)

    def explicit(self, image: DecodedImage) -> float:
        """The probability, 0 to 1, that an image is explicit."""
        side = (_RESIZED_SIDE, _RESIZED_SIDE)
        resized = Image.fromarray(image.pixels).resize(side, Image.Resampling.BILINEAR)
        margin = (_RESIZED_SIDE - _INPUT_SIDE) // 2
        cut = np.asarray(resized, np.float32)[margin:-margin, margin:-margin]
        network_input = (cut[:, :, ::-1] - _MEAN)[None]
        (probabilities,) = self._session.run(["outputs"], {"input:0": network_input})
        return float(probabilities[0, 1])


class DetectModerationLabels:
    """Answers DetectModerationLabels for a decoded image."""

    def __init__(self, network: Callable[[], ModerationNetwork]) -> None:
        self._network = network

    def answer(self, request: Mapping[str, Any], image: DecodedImage) -> dict[str, Any]:
        """The response.

        Raises ServiceError InvalidParameterException for HumanLoopConfig or ProjectVersion, which
        refer to resources that only AWS has.
        """
        for name in ("HumanLoopConfig", "ProjectVersion"):
            if name in request:
                raise ServiceError(
                    "InvalidParameterException",
                    "Request has invalid parameters: the local Rekognition does not support "
                    f"{name}",
                )
        confidence = 100 * self._network().explicit(image)
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
