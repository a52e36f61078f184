"""Finds faces: the detector's candidates that the mesh network confirms."""

import math
from dataclasses import dataclass

import numpy as np

from localcloud.rekognition.detector import Box
from localcloud.rekognition.faces.detector import FaceDetector
from localcloud.rekognition.faces.mesh import FaceMesh, Mesh
from localcloud.rekognition.images import DecodedImage
from localcloud.rekognition.rectangle import Rectangle

# Without this the detector takes a cat or a flower for a face.
MIN_PRESENCE = 0.2
# "DetectFaces detects the 100 largest faces in the image."
MAX_FACES = 100
_LEFT_TEMPLE, _RIGHT_TEMPLE = 234, 454  # mesh points; left and right are the image's


@dataclass(frozen=True)
class Face:
    """A face in an image: its box in ratios, its confidence (0 to 100) and its mesh.

    `square` is the input of the age, gender and emotion networks: in image pixels, aligned with
    the head.
    """

    box: Box
    confidence: float
    mesh: Mesh
    square: Rectangle


class FaceFinder:
    """The face detector and the mesh network together; thread-safe."""

    def __init__(self, detector: FaceDetector, mesh: FaceMesh) -> None:
        self._detector = detector
        self._mesh = mesh

    def find(self, image: DecodedImage) -> list[Face]:
        """The faces in an image, at most 100, largest first."""
        faces = []
        for candidate in self._detector.detect(image):
            mesh = self._mesh.measure(image, candidate.place)
            box = _box_around(mesh, image)
            if mesh.presence >= MIN_PRESENCE and box.area > 0:
                confidence = _confidence(candidate.score, mesh.presence)
                faces.append(Face(box, confidence, mesh, _square_around(mesh)))
        return sorted(faces, key=lambda face: -face.box.area)[:MAX_FACES]


def _confidence(score: float, presence: float) -> float:
    """The confidence that the two networks, each with its own certainty, are not both wrong."""
    return min(100.0, 100 * (1 - (1 - score) * (1 - presence)))


def _box_around(mesh: Mesh, image: DecodedImage) -> Box:
    """The box around the mesh, from hairline to chin, clipped to the image."""
    ratios = (mesh.points[:, :2] / (image.width, image.height)).clip(0, 1)
    return Box(*ratios.min(axis=0).tolist(), *ratios.max(axis=0).tolist())


def _square_around(mesh: Mesh) -> Rectangle:
    """The square around the mesh, rotated with the tilt of the head."""
    x, y = (mesh.points[_RIGHT_TEMPLE] - mesh.points[_LEFT_TEMPLE])[:2].tolist()
    length = math.hypot(x, y) or 1.0
    along = x / length, y / length
    # The points in the head's own axes: rotated back by its tilt.
    rotated = mesh.points[:, :2] @ np.array([[along[0], -along[1]], [along[1], along[0]]])
    low, high = rotated.min(axis=0), rotated.max(axis=0)
    middle_along, middle_across = ((low + high) / 2).tolist()
    center = (
        middle_along * along[0] - middle_across * along[1],
        middle_along * along[1] + middle_across * along[0],
    )
    side = float((high - low).max())
    return Rectangle(center, along, side, side)
