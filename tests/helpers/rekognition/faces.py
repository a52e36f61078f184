"""Synthetic faces."""

from collections.abc import Mapping

import numpy as np

from localcloud.rekognition.detector import Box
from localcloud.rekognition.faces.age_and_gender import AgeAndGender
from localcloud.rekognition.faces.descriptor import DESCRIPTOR_SIZE, Descriptor
from localcloud.rekognition.faces.finder import Face
from localcloud.rekognition.faces.mesh import Mesh
from localcloud.rekognition.images import DecodedImage
from localcloud.rekognition.rectangle import Points, Rectangle

# The points of the mesh that the code uses, for a face that looks straight at the viewer: x to the
# right, y down, z away from the viewer, with the tip of the nose at x = y = 0.
_POINTS: Mapping[int, tuple[float, float, float]] = {
    33: (-30, -20, 0),
    133: (-10, -20, 0),
    159: (-20, -23, 0),
    145: (-20, -17, 0),
    362: (10, -20, 0),
    263: (30, -20, 0),
    386: (20, -23, 0),
    374: (20, -17, 0),
    61: (-15, 25, 0),
    291: (15, 25, 0),
    1: (0, 0, -20),
    234: (-40, 0, 0),
    454: (40, 0, 0),
    10: (0, -50, 0),
    152: (0, 50, 0),
}


def mesh_at(x: float, y: float, *, degrees: float = 0, axis: str = "z") -> Mesh:
    """A face centered at (x, y) in pixels, turned about an axis of the image.

    About z, it turns clockwise in the image. About y, its right side turns away from the viewer, so
    that it looks to the image's right. About x, its chin turns away, so that it looks down.
    """
    points = np.zeros((468, 3))
    for number, point in _POINTS.items():
        points[number] = point
    angle = np.radians(degrees)
    one, two = {"z": (0, 1), "y": (0, 2), "x": (1, 2)}[axis]
    turned = points.copy()
    turned[:, one] = points[:, one] * np.cos(angle) - points[:, two] * np.sin(angle)
    turned[:, two] = points[:, one] * np.sin(angle) + points[:, two] * np.cos(angle)
    return Mesh(turned + np.array([x, y, 0]), presence=1.0)


def descriptor_at(distance: float) -> Descriptor:
    """A descriptor at this distance from `descriptor_at(0)`."""
    descriptor = np.zeros(DESCRIPTOR_SIZE, np.float32)
    descriptor[0] = distance
    return descriptor


class FakeFaces:
    """Finds the faces that a test placed in an image, each at a given distance from one person.

    The faces of an image stand side by side, the largest first.
    """

    def __init__(self) -> None:
        self.distances: dict[bytes, tuple[float, ...]] = {}

    def __call__(self) -> "FakeFaces":
        return self

    def place(self, image: DecodedImage, *distances: float) -> None:
        """Place faces in an image, at these distances from the person."""
        self.distances[image.pixels.tobytes()] = distances

    def find(self, image: DecodedImage) -> list[Face]:
        found = []
        for number, _ in enumerate(self.distances.get(image.pixels.tobytes(), ())):
            box = Box(number / 10, 0.1, number / 10 + 0.09 - number / 100, 0.5)
            square = Rectangle((box.left * image.width, 0), (1, 0), 10, 10)
            mesh = mesh_at(box.left * image.width, 20)
            found.append(Face(box, 99.0, mesh, square))
        return found

    def describe(self, image: DecodedImage, face: Face) -> Descriptor:
        distances = self.distances[image.pixels.tobytes()]
        return descriptor_at(distances[round(face.box.left * 10)])

    def default_landmarks(self, face: Face) -> dict[str, Points]:
        return {"nose": face.mesh.points[1, :2]}

    def all_landmarks(self, _image: DecodedImage, face: Face) -> dict[str, Points]:
        return {"nose": face.mesh.points[1, :2], "chinBottom": face.mesh.points[152, :2]}

    def read_age_and_gender(self, _image: DecodedImage, _face: Face) -> AgeAndGender:
        ages = np.zeros(100, np.float32)
        ages[30:41] = 1 / 11
        return AgeAndGender(ages, male=0.25)

    def read_emotions(self, _image: DecodedImage, _face: Face) -> dict[str, float]:
        return {"CALM": 0.1, "HAPPY": 0.9}
