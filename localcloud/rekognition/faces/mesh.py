"""Measures the shape of a face: MediaPipe's FaceMesh, 468 points in 3D."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from localcloud.rekognition.images import DecodedImage
from localcloud.rekognition.onnx_session import open_session
from localcloud.rekognition.rectangle import Points, Rectangle, cut_out

_INPUT_SIDE = 192
# MediaPipe enlarges the box by a quarter on each side.
_MARGIN = 0.25


@dataclass(frozen=True)
class Mesh:
    """The mesh of a face; `presence` (0 to 1) is the probability that it is a face.

    `points` [468, 3] are x and y in image pixels, and z, the depth away from the viewer at the same
    scale. For their numbering see canonical_face_model_uv_visualization.png in
    https://github.com/google-ai-edge/mediapipe.
    """

    points: Points
    presence: float


class FaceMesh:
    """The face mesh network, from its ONNX file; thread-safe."""

    def __init__(self, model: Path) -> None:
        self._session = open_session(model)

    def measure(self, image: DecodedImage, place: Rectangle) -> Mesh:
        """The mesh of the face in `place`, a square whose top edge is at the top of the face."""
        square = place.grown(_MARGIN * place.length)
        cut = Image.fromarray(cut_out(image, square))
        resized = cut.resize((_INPUT_SIDE, _INPUT_SIDE), Image.Resampling.BILINEAR)
        network_input = np.asarray(resized, np.float32)[None] / 255
        presence, points = self._session.run(["presence", "points"], {"image": network_input})
        return Mesh(_in_image(points.reshape(468, 3), square), float(presence[0, 0]))


def _in_image(points: Points, square: Rectangle) -> Points:
    scale = square.length / _INPUT_SIDE
    right, down, depth = (points.astype(np.float64) * scale).T
    start = square.corners()[0]
    x = start[0] + right * square.along[0] + down * square.across[0]
    y = start[1] + right * square.along[1] + down * square.across[1]
    return np.stack([x, y, depth], axis=1)
