"""All that is known about faces: the networks together."""

from collections.abc import Mapping
from pathlib import Path

from localcloud.rekognition.faces.age_and_gender import AgeAndGender, AgeAndGenderReader
from localcloud.rekognition.faces.descriptor import Descriptor, FaceDescriber
from localcloud.rekognition.faces.detector import FaceDetector
from localcloud.rekognition.faces.emotions import EmotionReader
from localcloud.rekognition.faces.finder import Face, FaceFinder
from localcloud.rekognition.faces.landmarks import ALL_OF_MESH, DEFAULT_LANDMARKS, point_of
from localcloud.rekognition.faces.mesh import FaceMesh
from localcloud.rekognition.faces.pupils import PupilFinder
from localcloud.rekognition.images import Picture
from localcloud.rekognition.rectangle import Points


class Faces:
    """Finds faces and describes them; safe to use from many threads."""

    def __init__(self, models: Mapping[str, Path]) -> None:
        self._finder = FaceFinder(
            FaceDetector(models["face-detector"]), FaceMesh(models["face-mesh"])
        )
        self._pupils = PupilFinder(models["face-iris"])
        self._describer = FaceDescriber(models["face-descriptor"])
        self._age_and_gender = AgeAndGenderReader(models["face-age-and-gender"])
        self._emotions = EmotionReader(models["face-emotions"])

    def find(self, picture: Picture) -> list[Face]:
        """The faces of a picture, 100 at most, the largest first."""
        return self._finder.find(picture)

    def default_landmarks(self, face: Face) -> dict[str, Points]:
        """The five that are told by default, by name, in pixels of the picture."""
        return {name: point_of(face.mesh, name) for name in DEFAULT_LANDMARKS}

    def all_landmarks(self, picture: Picture, face: Face) -> dict[str, Points]:
        """All thirty that Rekognition documents, by name, in pixels of the picture."""
        of_mesh = {name: point_of(face.mesh, name) for name in ALL_OF_MESH}
        return of_mesh | self._pupils.find(picture, face.mesh)

    def describe(self, picture: Picture, face: Face) -> Descriptor:
        """What tells this face from those of others."""
        return self._describer.describe(picture, face.mesh)

    def read_age_and_gender(self, picture: Picture, face: Face) -> AgeAndGender:
        """How old the face looks, and male or female."""
        return self._age_and_gender.read(picture, face.square)

    def read_emotions(self, picture: Picture, face: Face) -> dict[str, float]:
        """The probability of each emotion, 0 to 1; together they are 1."""
        return self._emotions.read(picture, face.square)
