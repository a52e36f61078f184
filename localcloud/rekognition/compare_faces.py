"""The operation CompareFaces.

https://docs.aws.amazon.com/rekognition/latest/APIReference/API_CompareFaces.html
"""

from collections.abc import Callable, Mapping
from typing import Any

from localcloud.rekognition.detect_faces import bounding_box, face_detail
from localcloud.rekognition.faces.faces import Faces
from localcloud.rekognition.faces.finder import Face
from localcloud.rekognition.faces.similarity import similarity
from localcloud.rekognition.images import DecodedImage
from localcloud.rekognition.protocol import ServiceError

DEFAULT_SIMILARITY_THRESHOLD = 80.0


class CompareFaces:
    """Answers CompareFaces for two decoded images."""

    def __init__(self, faces: Callable[[], Faces]) -> None:
        self._faces = faces

    def answer(
        self, request: Mapping[str, Any], source: DecodedImage, target: DecodedImage
    ) -> dict[str, Any]:
        """The response: the source's largest face compared with every face of the target.

        The matches are sorted by similarity, highest first. Raises ServiceError
        InvalidParameterException if the source has no face.
        """
        faces = self._faces()
        searched = largest_face(faces, source)
        descriptor = faces.describe(source, searched)
        threshold = request.get("SimilarityThreshold", DEFAULT_SIMILARITY_THRESHOLD)
        matches, unmatched = [], []
        for face in faces.find(target):
            score = similarity(descriptor, faces.describe(target, face))
            compared = face_detail(faces, target, face, set())
            if score >= threshold:
                matches.append({"Similarity": score, "Face": compared})
            else:
                unmatched.append(compared)
        return {
            "SourceImageFace": {
                "BoundingBox": bounding_box(searched.box),
                "Confidence": searched.confidence,
            },
            "FaceMatches": sorted(matches, key=lambda match: -float(str(match["Similarity"]))),
            "UnmatchedFaces": unmatched,
        }


def largest_face(faces: Faces, image: DecodedImage) -> Face:
    """The largest face; raises ServiceError InvalidParameterException if there is no face."""
    found = faces.find(image)
    if not found:
        raise ServiceError(
            "InvalidParameterException",
            "Request has invalid parameters: there is no face in the image",
        )
    return found[0]
