"""Amazon Rekognition's answers as our dataclasses."""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.model import BoundingBox, Failure, Instance, Label, Recognition

# What Rekognition says of an image that will never be recognized, however often one asks.
# https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DetectLabels.html#API_DetectLabels_Errors
_PERMANENT = {
    "ImageTooLargeException",
    "InvalidImageFormatException",
    "InvalidParameterException",
}


class ImageRefused(Exception):
    """Rekognition will never recognize this image; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.code}: {failure.reason}")
        self.failure = failure


class ObjectUnreadable(Exception):
    """Rekognition cannot read the S3 object: it is gone, or the function's role may not read it."""


class Rekognition:
    """Recognizes images that are stored in S3."""

    def __init__(self, client: Any, max_labels: int, min_confidence: float) -> None:
        self._client = client
        self._max_labels = max_labels
        self._min_confidence = min_confidence

    def detect_labels(self, bucket_name: str, key: str) -> Recognition:
        """The labels of a stored image, the most confident first.

        Raises ImageRefused, ObjectUnreadable, and botocore's errors for what may pass.
        """
        try:
            answer = self._client.detect_labels(
                Image={"S3Object": {"Bucket": bucket_name, "Name": key}},
                MaxLabels=self._max_labels,
                MinConfidence=self._min_confidence,
            )
        except ClientError as error:
            code, reason = error.response["Error"]["Code"], error.response["Error"]["Message"]
            if code in _PERMANENT:
                raise ImageRefused(Failure(code, reason)) from error
            if code == "InvalidS3ObjectException":
                raise ObjectUnreadable(reason) from error
            raise
        labels = sorted(map(_label, answer["Labels"]), key=lambda label: -label.confidence)
        return Recognition(tuple(labels), answer["LabelModelVersion"])


def _label(label: Mapping[str, Any]) -> Label:
    return Label(
        name=label["Name"],
        confidence=label["Confidence"],
        parents=_names(label, "Parents"),
        aliases=_names(label, "Aliases"),
        categories=_names(label, "Categories"),
        instances=tuple(_instance(instance) for instance in label.get("Instances", ())),
    )


def _names(label: Mapping[str, Any], field: str) -> tuple[str, ...]:
    return tuple(part["Name"] for part in label.get(field, ()))


def _instance(instance: Mapping[str, Any]) -> Instance:
    box = instance["BoundingBox"]
    return Instance(
        confidence=instance["Confidence"],
        bounding_box=BoundingBox(box["Left"], box["Top"], box["Width"], box["Height"]),
    )
