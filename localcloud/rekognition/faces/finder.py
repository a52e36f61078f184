"""Finds faces: candidates of the detector that the mesh confirms."""

import math
from dataclasses import dataclass

import numpy as np

from localcloud.rekognition.detector import Box
from localcloud.rekognition.faces.detector import FaceDetector
from localcloud.rekognition.faces.mesh import FaceMesh, Mesh
from localcloud.rekognition.images import Picture
from localcloud.rekognition.rectangle import Rectangle

# Without this a cat and a flower are faces to the detector.
MIN_PRESENCE = 0.2
# "DetectFaces detects the 100 largest faces in the image."
MAX_FACES = 100
_LEFT_TEMPLE, _RIGHT_TEMPLE = 234, 454  # as they are in the picture


@dataclass(frozen=True)
class Face:
    """A face of a picture: its box in ratios, confidence 0 to 100, and its mesh.

    `square` is the upright square, in pixels, that the describing networks look at.
    """

    box: Box
    confidence: float
    mesh: Mesh
    square: Rectangle


class FaceFinder:
    """Detector and mesh together; safe to use from many threads."""

    def __init__(self, detector: FaceDetector, mesh: FaceMesh) -> None:
        self._detector = detector
        self._mesh = mesh

    def find(self, picture: Picture) -> list[Face]:
        """The faces of a picture, 100 at most, the largest first."""
        faces = []
        for candidate in self._detector.detect(picture):
            mesh = self._mesh.measure(picture, candidate.place)
            box = _box_around(mesh, picture)
            if mesh.presence >= MIN_PRESENCE and box.area > 0:
                confidence = _confidence(candidate.score, mesh.presence)
                faces.append(Face(box, confidence, mesh, _square_around(mesh)))
        return sorted(faces, key=lambda face: -face.box.area)[:MAX_FACES]


def _confidence(score: float, presence: float) -> float:
    """That not both networks are wrong, each of which tells how sure it is."""
    return min(100.0, 100 * (1 - (1 - score) * (1 - presence)))


def _box_around(mesh: Mesh, picture: Picture) -> Box:
    """From the hairline to the chin, as far as it is within the picture."""
    ratios = (mesh.points[:, :2] / (picture.width, picture.height)).clip(0, 1)
    return Box(*ratios.min(axis=0).tolist(), *ratios.max(axis=0).tolist())


def _square_around(mesh: Mesh) -> Rectangle:
    """Turned as the head is tilted, as large as the face is high."""
    x, y = (mesh.points[_RIGHT_TEMPLE] - mesh.points[_LEFT_TEMPLE])[:2].tolist()
    length = math.hypot(x, y) or 1.0
    along = x / length, y / length
    # On axes of the head, which is the picture turned back by its tilt.
    turned = mesh.points[:, :2] @ np.array([[along[0], -along[1]], [along[1], along[0]]])
    low, high = turned.min(axis=0), turned.max(axis=0)
    middle_along, middle_across = ((low + high) / 2).tolist()
    center = (
        middle_along * along[0] - middle_across * along[1],
        middle_along * along[1] + middle_across * along[0],
    )
    side = float((high - low).max())
    return Rectangle(center, along, side, side)
