"""All that is known about faces: the networks together."""

from collections.abc import Mapping
from pathlib import Path

from localcloud.rekognition.faces.describer import Description, FaceDescriber
from localcloud.rekognition.faces.detector import FaceDetector
from localcloud.rekognition.faces.emotions import EmotionReader
from localcloud.rekognition.faces.finder import Face, FaceFinder
from localcloud.rekognition.faces.mesh import FaceMesh
from localcloud.rekognition.images import Picture


class Faces:
    """Finds faces and describes them; safe to use from many threads."""

    def __init__(self, models: Mapping[str, Path]) -> None:
        self._finder = FaceFinder(
            FaceDetector(models["face-detector"]), FaceMesh(models["face-mesh"])
        )
        self._describer = FaceDescriber(models["face-describer"])
        self._emotions = EmotionReader(models["face-emotions"])

    def find(self, picture: Picture) -> list[Face]:
        """The faces of a picture, 100 at most, the largest first."""
        return self._finder.find(picture)

    def describe(self, picture: Picture, face: Face) -> Description:
        """Descriptor, age and gender of a face."""
        return self._describer.describe(picture, face.square)

    def read_emotions(self, picture: Picture, face: Face) -> dict[str, float]:
        """The probability of each emotion, 0 to 1; together they are 1."""
        return self._emotions.read(picture, face.square)
