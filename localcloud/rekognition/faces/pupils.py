"""Where the pupils are: MediaPipe's iris network, which looks at one eye after the other.

After https://github.com/vladmandic/human, src/face/iris.ts (MIT).
"""

from pathlib import Path

import numpy as np
from PIL import Image

from localcloud.rekognition.faces.mesh import Mesh
from localcloud.rekognition.images import Picture
from localcloud.rekognition.onnx_session import open_session
from localcloud.rekognition.rectangle import Points, Rectangle, cut_out

_INPUT_SIDE = 64
_EYE_WIDTHS = 2.3  # of the eye's surroundings that the network was trained on
_MIDDLE_OF_IRIS = 71  # of the network's 76 points
# The corners of each eye in the mesh; left and right are the picture's.
_LEFT_EYE, _RIGHT_EYE = (33, 133), (362, 263)


class PupilFinder:
    """The network; safe to use from many threads."""

    def __init__(self, model: Path) -> None:
        self._session = open_session(model)

    def find(self, picture: Picture, mesh: Mesh) -> dict[str, Points]:
        """The landmarks leftPupil and rightPupil, x and y in pixels of the picture."""
        left, right = (mesh.points[list(corners), :2] for corners in (_LEFT_EYE, _RIGHT_EYE))
        return {
            "leftPupil": self._find(picture, _around(left), is_mirrored=False),
            # The network knows the eye on the left only; the other one is shown in the mirror.
            "rightPupil": self._find(picture, _around(right), is_mirrored=True),
        }

    def _find(self, picture: Picture, eye: Rectangle, *, is_mirrored: bool) -> Points:
        cut = Image.fromarray(cut_out(picture, eye))
        resized = cut.resize((_INPUT_SIDE, _INPUT_SIDE), Image.Resampling.BILINEAR)
        image = np.asarray(resized, np.float32)[None] / 255
        (points,) = self._session.run(
            ["points"], {"image": image[:, :, ::-1] if is_mirrored else image}
        )
        x, y = points.reshape(-1, 3)[_MIDDLE_OF_IRIS, :2].astype(float) / _INPUT_SIDE
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
