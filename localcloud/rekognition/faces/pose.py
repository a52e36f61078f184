"""How a head is held, from the mesh of its face."""

import math
from dataclasses import dataclass

import numpy as np

from localcloud.rekognition.faces.mesh import Mesh
from localcloud.rekognition.rectangle import Points

_LEFT_TEMPLE, _RIGHT_TEMPLE, _FOREHEAD, _CHIN = 234, 454, 10, 152


@dataclass(frozen=True)
class Pose:
    """Angles in degrees, -180 to 180.

    `roll` is positive when the head is tilted clockwise in the picture, `yaw` when it is turned to
    the picture's right, `pitch` when it looks up. Rekognition documents the names and the range,
    not the signs.
    """

    roll: float
    yaw: float
    pitch: float


def pose_of(mesh: Mesh) -> Pose:
    """From the line through the temples and the one from forehead to chin."""
    to_right = _unit(mesh.points[_RIGHT_TEMPLE] - mesh.points[_LEFT_TEMPLE])
    to_chin = _unit(mesh.points[_CHIN] - mesh.points[_FOREHEAD])
    # Where the face looks: z grows away from the viewer.
    x, y, z = (-_unit(np.cross(to_right, to_chin))).tolist()
    return Pose(
        roll=math.degrees(math.atan2(to_right[1], to_right[0])),
        yaw=math.degrees(math.atan2(x, -z)),
        pitch=math.degrees(math.asin(max(-1.0, min(1.0, -y)))),
    )


def _unit(vector: Points) -> Points:
    return vector / (np.linalg.norm(vector) or 1.0)
