"""The operation DetectFaces.

https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DetectFaces.html

Asked for ALL it tells age, gender and emotions. Smile, glasses, beard, open eyes and the like have
no model here and are left out: the response's shape allows that, and nothing is made up.
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
from localcloud.rekognition.images import Picture

# A face of a group is a few pixels of the picture at the side that labels are recognized at.
PICTURE_SIDE = 1600

# The range that holds so much of what the network thinks possible; half of the rest is older.
_AGE_CERTAINTY = 0.8


class DetectFaces:
    """Answers DetectFaces for a decoded picture."""

    def __init__(self, faces: Callable[[], Faces]) -> None:
        self._faces = faces

    def answer(self, request: Mapping[str, Any], picture: Picture) -> dict[str, Any]:
        """The response, the largest face first."""
        asked = set(request.get("Attributes", ["DEFAULT"]))
        faces = self._faces()
        return {"FaceDetails": [face_detail(faces, picture, f, asked) for f in faces.find(picture)]}


def face_detail(faces: Faces, picture: Picture, face: Face, asked: set[str]) -> dict[str, Any]:
    """The FaceDetail of a face, with the attributes that are asked for and can be told."""
    everything = "ALL" in asked
    marks = faces.all_landmarks(picture, face) if everything else faces.default_landmarks(face)
    pose = pose_of(face.mesh)
    detail: dict[str, Any] = {
        "BoundingBox": bounding_box(face.box),
        "Landmarks": [
            {"Type": name, "X": float(x) / picture.width, "Y": float(y) / picture.height}
            for name, (x, y) in marks.items()
        ],
        "Pose": {"Roll": pose.roll, "Yaw": pose.yaw, "Pitch": pose.pitch},
        "Quality": _quality(picture, face.box),
        "Confidence": face.confidence,
    }
    if everything or asked & {"AGE_RANGE", "GENDER"}:
        seen = faces.read_age_and_gender(picture, face)
        if everything or "AGE_RANGE" in asked:
            detail["AgeRange"] = _age_range(seen.ages)
        if everything or "GENDER" in asked:
            detail["Gender"] = {
                "Value": "Male" if seen.male >= 0.5 else "Female",
                "Confidence": 100 * max(seen.male, 1 - seen.male),
            }
    if everything or "EMOTIONS" in asked:
        detail["Emotions"] = _emotions(faces.read_emotions(picture, face))
    return detail


def bounding_box(box: Box) -> dict[str, float]:
    """A box as Rekognition has it."""
    return {
        "Left": box.left,
        "Top": box.top,
        "Width": box.right - box.left,
        "Height": box.bottom - box.top,
    }


def _quality(picture: Picture, box: Box) -> dict[str, float]:
    rows = slice(int(box.top * picture.height), max(1, round(box.bottom * picture.height)))
    columns = slice(int(box.left * picture.width), max(1, round(box.right * picture.width)))
    luminance = picture.pixels[rows, columns] @ LUMA_WEIGHTS
    everywhere = np.ones(luminance.shape, bool)
    return {
        "Brightness": brightness(luminance),
        "Sharpness": sharpness(luminance, everywhere),
    }


def _age_range(ages: NDArray[np.float32]) -> dict[str, int]:
    """The years between which the network is _AGE_CERTAINTY sure."""
    sums = np.cumsum(ages) / ages.sum()
    low, high = (1 - _AGE_CERTAINTY) / 2, (1 + _AGE_CERTAINTY) / 2
    return {"Low": int(np.searchsorted(sums, low)), "High": int(np.searchsorted(sums, high))}


def _emotions(probabilities: Mapping[str, float]) -> Sequence[dict[str, Any]]:
    ordered = sorted(probabilities.items(), key=lambda each: -each[1])
    return [{"Type": name, "Confidence": 100 * part} for name, part in ordered]
