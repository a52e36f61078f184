"""Finds the pupils: MediaPipe's iris network, applied to each eye.

It follows https://github.com/vladmandic/human, src/face/iris.ts (MIT).
"""

from pathlib import Path

import numpy as np
from PIL import Image

from localcloud.rekognition.faces.mesh import Mesh
from localcloud.rekognition.images import DecodedImage
from localcloud.rekognition.onnx_session import open_session
from localcloud.rekognition.rectangle import Points, Rectangle, cut_out

_INPUT_SIDE = 64
_EYE_WIDTHS = 2.3  # side of the square around an eye that the network was trained on
_IRIS_CENTER = 71  # index among the network's 76 points
# The mesh points of each eye's corners; left and right are the image's.
_LEFT_EYE, _RIGHT_EYE = (33, 133), (362, 263)


class PupilFinder:
    """The iris network, from its ONNX file; thread-safe."""

    def __init__(self, model: Path) -> None:
        self._session = open_session(model)

    def find(self, image: DecodedImage, mesh: Mesh) -> dict[str, Points]:
        """The landmarks leftPupil and rightPupil: x and y in image pixels."""
        left, right = (mesh.points[list(corners), :2] for corners in (_LEFT_EYE, _RIGHT_EYE))
        return {
            "leftPupil": self._find(image, _around(left), is_mirrored=False),
            # The network knows only the eye on the left, so the other one is mirrored.
            "rightPupil": self._find(image, _around(right), is_mirrored=True),
        }

    def _find(self, image: DecodedImage, eye: Rectangle, *, is_mirrored: bool) -> Points:
        cut = Image.fromarray(cut_out(image, eye))
        resized = cut.resize((_INPUT_SIDE, _INPUT_SIDE), Image.Resampling.BILINEAR)
        network_input = np.asarray(resized, np.float32)[None] / 255
        (points,) = self._session.run(
            ["points"], {"image": network_input[:, :, ::-1] if is_mirrored else network_input}
        )
        x, y = points.reshape(-1, 3)[_IRIS_CENTER, :2].astype(float) / _INPUT_SIDE
        to_right = (0.5 - x if is_mirrored else x - 0.5) * eye.length
        to_bottom = (y - 0.5) * eye.length
        found: Points = (
            eye.center + to_right * np.array(eye.along) + to_bottom * np.array(eye.across)
        )
        return found


def _around(corners: Points) -> Rectangle:
    x, y = corners.mean(axis=0).tolist()
    line = corners[1] - corners[0]
    width = float(np.linalg.norm(line)) or 1.0
    side = _EYE_WIDTHS * width
    return Rectangle((x, y), (float(line[0]) / width, float(line[1]) / width), side, side)
