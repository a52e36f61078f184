"""Converts the responses of Amazon Rekognition to the dataclasses of `findings`.

https://docs.aws.amazon.com/rekognition/latest/APIReference/ describes the responses. It does not
say that a member may be missing, but in practice any member may be.
"""

from collections.abc import Mapping
from typing import Any

from chalicelib.model.findings import (
    AgeRange,
    BoundingBox,
    Celebrity,
    DominantColor,
    Emotion,
    Face,
    FaceAttribute,
    FaceQuality,
    ImageQuality,
    Instance,
    Label,
    Landmark,
    ModerationLabel,
    Point,
    Pose,
    Properties,
    Text,
)

Shape = Mapping[str, Any]

_FACE_ATTRIBUTES = (
    "Smile",
    "Eyeglasses",
    "Sunglasses",
    "Gender",
    "Beard",
    "Mustache",
    "EyesOpen",
    "MouthOpen",
    "FaceOccluded",
)


def labels(response: Shape) -> tuple[Label, ...]:
    """The labels in a response of DetectLabels, the most confident first."""
    found = (
        Label(
            name=label["Name"],
            confidence=label["Confidence"],
            parents=_names(label, "Parents"),
            aliases=_names(label, "Aliases"),
            categories=_names(label, "Categories"),
            instances=tuple(
                Instance(instance["Confidence"], _box(instance["BoundingBox"]))
                for instance in label.get("Instances", ())
            ),
        )
        for label in response.get("Labels", ())
    )
    return tuple(sorted(found, key=lambda label: -label.confidence))


def properties(response: Shape) -> Properties | None:
    """The properties of the whole image in a response of DetectLabels, or None if it has none.

    Leaves out the separate properties of foreground and background.
    """
    image_properties = response.get("ImageProperties")
    if image_properties is None:
        return None
    quality = image_properties.get("Quality", {})
    return Properties(
        ImageQuality(
            brightness=quality.get("Brightness", 0.0),
            sharpness=quality.get("Sharpness", 0.0),
            contrast=quality.get("Contrast", 0.0),
        ),
        tuple(
            DominantColor(
                hex_code=color.get("HexCode", ""),
                css_color=color.get("CSSColor", ""),
                simplified_color=color.get("SimplifiedColor", ""),
                pixel_percent=color.get("PixelPercent", 0.0),
            )
            for color in image_properties.get("DominantColors", ())
        ),
    )


def texts(response: Shape) -> tuple[Text, ...]:
    """The lines and words in a response of DetectText, in its order."""
    return tuple(
        Text(
            id=text["Id"],
            type=text["Type"],
            detected_text=text["DetectedText"],
            confidence=text["Confidence"],
            bounding_box=_box(text["Geometry"]["BoundingBox"]),
            polygon=tuple(
                Point(corner["X"], corner["Y"]) for corner in text["Geometry"].get("Polygon", ())
            ),
            parent_id=text.get("ParentId"),
        )
        for text in response.get("TextDetections", ())
    )


def faces(response: Shape) -> tuple[Face, ...]:
    """The faces in a response of DetectFaces, in its order: the largest first."""
    return tuple(map(_face, response.get("FaceDetails", ())))


def moderation_labels(response: Shape) -> tuple[ModerationLabel, ...]:
    """The labels in a response of DetectModerationLabels, the most confident first."""
    found = (
        ModerationLabel(
            name=label["Name"],
            confidence=label["Confidence"],
            parent_name=label.get("ParentName") or None,
            taxonomy_level=label.get("TaxonomyLevel"),
        )
        for label in response.get("ModerationLabels", ())
    )
    return tuple(sorted(found, key=lambda label: -label.confidence))


def celebrities(response: Shape) -> tuple[Celebrity, ...]:
    """The celebrities in a response of RecognizeCelebrities, in its order."""
    return tuple(
        Celebrity(
            id=celebrity["Id"],
            name=celebrity["Name"],
            match_confidence=celebrity["MatchConfidence"],
            bounding_box=_box_or_none(celebrity.get("Face", {}).get("BoundingBox")),
            urls=tuple(celebrity.get("Urls", ())),
        )
        for celebrity in response.get("CelebrityFaces", ())
    )


def _face(face: Shape) -> Face:
    age, pose, quality = face.get("AgeRange"), face.get("Pose"), face.get("Quality")
    emotions = (Emotion(each["Type"], each["Confidence"]) for each in face.get("Emotions", ()))
    return Face(
        confidence=face["Confidence"],
        bounding_box=_box(face["BoundingBox"]),
        age_range=AgeRange(age["Low"], age["High"]) if age else None,
        attributes=tuple(
            FaceAttribute(name, str(face[name]["Value"]), face[name]["Confidence"])
            for name in _FACE_ATTRIBUTES
            if name in face
        ),
        emotions=tuple(sorted(emotions, key=lambda emotion: -emotion.confidence)),
        landmarks=tuple(
            Landmark(mark["Type"], mark["X"], mark["Y"]) for mark in face.get("Landmarks", ())
        ),
        pose=Pose(pose["Roll"], pose["Yaw"], pose["Pitch"]) if pose else None,
        quality=FaceQuality(quality["Brightness"], quality["Sharpness"]) if quality else None,
    )


def _names(label: Shape, member: str) -> tuple[str, ...]:
    return tuple(part["Name"] for part in label.get(member, ()))


def _box(box: Shape) -> BoundingBox:
    return BoundingBox(box["Left"], box["Top"], box["Width"], box["Height"])


def _box_or_none(box: Shape | None) -> BoundingBox | None:
    return None if box is None else _box(box)
