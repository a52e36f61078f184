"""The operation DetectFaces.

https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DetectFaces.html

The attributes ALL add age, gender and emotions. Smile, glasses, beard, open eyes and the like have
no model here and are omitted: the response's shape allows that, and no value is fabricated.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from localcloud.rekognition.detector import Box
from localcloud.rekognition.faces.faces import Faces
from localcloud.rekognition.faces.finder import Face
from localcloud.rekognition.faces.pose import pose_of
from localcloud.rekognition.image_properties import LUMA_WEIGHTS, brightness, sharpness
from localcloud.rekognition.images import DecodedImage

# Faces in a group photograph would be only a few pixels at the labels' working size.
IMAGE_SIDE = 1600

# The share of the probability that AgeRange covers; the rest is split equally below and above it.
_AGE_RANGE_PROBABILITY = 0.8


class DetectFaces:
    """Answers DetectFaces for a decoded image."""

    def __init__(self, faces: Callable[[], Faces]) -> None:
        self._faces = faces

    def answer(self, request: Mapping[str, Any], image: DecodedImage) -> dict[str, Any]:
        """The response, with the largest face first."""
        requested = set(request.get("Attributes", ["DEFAULT"]))
        faces = self._faces()
        return {
            "FaceDetails": [
                face_detail(faces, image, face, requested) for face in faces.find(image)
            ]
        }


def face_detail(
    faces: Faces, image: DecodedImage, face: Face, requested: set[str]
) -> dict[str, Any]:
    """The FaceDetail of a face, with the requested attributes that have a model.

    `requested` holds values of the Attributes parameter, such as ALL or AGE_RANGE.
    """
    everything = "ALL" in requested
    landmarks = faces.all_landmarks(image, face) if everything else faces.default_landmarks(face)
    pose = pose_of(face.mesh)
    detail: dict[str, Any] = {
        "BoundingBox": bounding_box(face.box),
        "Landmarks": [
            {"Type": name, "X": float(x) / image.width, "Y": float(y) / image.height}
            for name, (x, y) in landmarks.items()
        ],
        "Pose": {"Roll": pose.roll, "Yaw": pose.yaw, "Pitch": pose.pitch},
        "Quality": _quality(image, face.box),
        "Confidence": face.confidence,
    }
    if everything or requested & {"AGE_RANGE", "GENDER"}:
        estimate = faces.read_age_and_gender(image, face)
        if everything or "AGE_RANGE" in requested:
            detail["AgeRange"] = _age_range(estimate.ages)
        if everything or "GENDER" in requested:
            detail["Gender"] = {
                "Value": "Male" if estimate.male >= 0.5 else "Female",
                "Confidence": 100 * max(estimate.male, 1 - estimate.male),
            }
    if everything or "EMOTIONS" in requested:
        detail["Emotions"] = _emotions(faces.read_emotions(image, face))
    return detail


def bounding_box(box: Box) -> dict[str, float]:
    """A box as a BoundingBox of the service model."""
    return {
        "Left": box.left,
        "Top": box.top,
        "Width": box.right - box.left,
        "Height": box.bottom - box.top,
    }


def _quality(image: DecodedImage, box: Box) -> dict[str, float]:
    rows = slice(int(box.top * image.height), max(1, round(box.bottom * image.height)))
    columns = slice(int(box.left * image.width), max(1, round(box.right * image.width)))
    luminance = image.pixels[rows, columns] @ LUMA_WEIGHTS
    everywhere = np.ones(luminance.shape, bool)
    return {
        "Brightness": brightness(luminance),
        "Sharpness": sharpness(luminance, everywhere),
    }


def _age_range(ages: NDArray[np.float32]) -> dict[str, int]:
    """The central range of years that holds _AGE_RANGE_PROBABILITY of the probability."""
    sums = np.cumsum(ages) / ages.sum()
    low, high = (1 - _AGE_RANGE_PROBABILITY) / 2, (1 + _AGE_RANGE_PROBABILITY) / 2
    return {"Low": int(np.searchsorted(sums, low)), "High": int(np.searchsorted(sums, high))}


def _emotions(probabilities: Mapping[str, float]) -> Sequence[dict[str, Any]]:
    ordered = sorted(probabilities.items(), key=lambda each: -each[1])
    return [{"Type": name, "Confidence": 100 * part} for name, part in ordered]
