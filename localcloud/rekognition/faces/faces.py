"""Finds and describes faces with all of the face networks."""

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
from localcloud.rekognition.images import DecodedImage
from localcloud.rekognition.rectangle import Points


class Faces:
    """The face networks, from their ONNX files by model name; thread-safe."""

    def __init__(self, models: Mapping[str, Path]) -> None:
        self._finder = FaceFinder(
            FaceDetector(models["face-detector"]), FaceMesh(models["face-mesh"])
        )
        self._pupils = PupilFinder(models["face-iris"])
        self._describer = FaceDescriber(models["face-descriptor"])
        self._age_and_gender = AgeAndGenderReader(models["face-age-and-gender"])
        self._emotions = EmotionReader(models["face-emotions"])

    def find(self, image: DecodedImage) -> list[Face]:
        """The faces in an image, at most 100, largest first."""
        return self._finder.find(image)

    def default_landmarks(self, face: Face) -> dict[str, Points]:
        """The five landmarks returned by default: x and y in image pixels, by name."""
        return {name: point_of(face.mesh, name) for name in DEFAULT_LANDMARKS}

    def all_landmarks(self, image: DecodedImage, face: Face) -> dict[str, Points]:
        """The thirty landmarks that Rekognition documents: x and y in image pixels, by name."""
        of_mesh = {name: point_of(face.mesh, name) for name in ALL_OF_MESH}
        return of_mesh | self._pupils.find(image, face.mesh)

    def describe(self, image: DecodedImage, face: Face) -> Descriptor:
        """The descriptor [128] of a face, to compare with `similarity`."""
        return self._describer.describe(image, face.mesh)

    def read_age_and_gender(self, image: DecodedImage, face: Face) -> AgeAndGender:
        """The apparent age and gender of a face, as probabilities."""
        return self._age_and_gender.read(image, face.square)

    def read_emotions(self, image: DecodedImage, face: Face) -> dict[str, float]:
        """The probability (0 to 1) of each emotion of a face; they sum to 1."""
        return self._emotions.read(image, face.square)
