"""Computes the pose of a head from the mesh of its face."""

import math
from dataclasses import dataclass

import numpy as np

from localcloud.rekognition.faces.mesh import Mesh
from localcloud.rekognition.rectangle import Points

_LEFT_TEMPLE, _RIGHT_TEMPLE, _FOREHEAD, _CHIN = 234, 454, 10, 152


@dataclass(frozen=True)
class Pose:
    """Angles in degrees, -180 to 180.

    `roll` is positive for a head tilted clockwise in the image, `yaw` for one turned to the image's
    right, and `pitch` for one looking up. Rekognition documents the names and the range but not the
    signs.
    """

    roll: float
    yaw: float
    pitch: float


def pose_of(mesh: Mesh) -> Pose:
    """The pose, from the line through the temples and the line from forehead to chin."""
    to_right = _unit(mesh.points[_RIGHT_TEMPLE] - mesh.points[_LEFT_TEMPLE])
    to_chin = _unit(mesh.points[_CHIN] - mesh.points[_FOREHEAD])
    # The direction the face looks in; z increases away from the viewer.
    x, y, z = (-_unit(np.cross(to_right, to_chin))).tolist()
    return Pose(
        roll=math.degrees(math.atan2(to_right[1], to_right[0])),
        yaw=math.degrees(math.atan2(x, -z)),
        pitch=math.degrees(math.asin(max(-1.0, min(1.0, -y)))),
    )


def _unit(vector: Points) -> Points:
    return vector / (np.linalg.norm(vector) or 1.0)
