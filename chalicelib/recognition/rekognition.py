"""Asking Amazon Rekognition about an image that is stored in S3."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.model.findings import Feature, Findings, RekognitionCall
from chalicelib.model.image import Failure
from chalicelib.recognition import rekognition_responses as answers

# What Rekognition says of an image that will never be recognized, however often one asks.
# https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DetectLabels.html#API_DetectLabels_Errors
_PERMANENT = {
    "ImageTooLargeException",
    "InvalidImageFormatException",
    "InvalidParameterException",
}
_NOT_IMPLEMENTED = 501  # HTTP's own word for an operation that a server does not have
_THROTTLED = {"ThrottlingException", "ProvisionedThroughputExceededException"}


class ImageRefused(Exception):
    """Rekognition will never tell this of this image; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.code}: {failure.reason}")
        self.failure = failure


class ObjectUnreadable(Exception):
    """Rekognition cannot read the S3 object: it is gone, or the function's role may not read it."""


class Throttled(Exception):
    """The account's transactions per second are used up; a little later it will answer."""


@dataclass(frozen=True)
class RekognitionResponse:
    """What one call told. `model_version` is None where the operation does not say its own."""

    findings: Findings
    model_version: str | None = None


def calls_for(features: Iterable[Feature]) -> tuple[RekognitionCall, ...]:
    """The fewest calls that answer these features: labels and properties share one."""
    asked = set(features)
    merge_findings = tuple(each for each in (Feature.LABELS, Feature.PROPERTIES) if each in asked)
    single = (
        RekognitionCall(operation, (feature,))
        for feature, operation in _OPERATIONS.items()
        if feature in asked
    )
    return (
        *((RekognitionCall("DetectLabels", merge_findings),) if merge_findings else ()),
        *single,
    )


class Rekognition:
    """Asks about images in one bucket."""

    def __init__(
        self, client: Any, bucket_name: str, max_labels: int, min_confidence: float
    ) -> None:
        self._client = client
        self._bucket_name = bucket_name
        self._max_labels = max_labels
        self._min_confidence = min_confidence

    def ask(self, question: RekognitionCall, key: str) -> RekognitionResponse:
        """The answer about the image with a key.

        Raises ImageRefused, ObjectUnreadable, Throttled, and botocore's errors for what may pass.
        """
        image = {"S3Object": {"Bucket": self._bucket_name, "Name": key}}
        try:
            return self._ask(question, image)
        except ClientError as error:
            code, reason = error.response["Error"]["Code"], error.response["Error"]["Message"]
            status_code = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if code in _PERMANENT or status_code == _NOT_IMPLEMENTED:
                raise ImageRefused(Failure(code, reason)) from error
            if code == "InvalidS3ObjectException":
                raise ObjectUnreadable(reason) from error
            if code in _THROTTLED:
                raise Throttled(reason) from error
            raise

    def _ask(self, question: RekognitionCall, image: dict[str, Any]) -> RekognitionResponse:
        match question.operation:
            case "DetectLabels":
                return self._labels(question.features, image)
            case "DetectText":
                answer = self._client.detect_text(Image=image)
                return RekognitionResponse(
                    Findings(texts=answers.texts(answer)), answer.get("TextModelVersion")
                )
            case "DetectFaces":
                answer = self._client.detect_faces(Image=image, Attributes=["ALL"])
                return RekognitionResponse(Findings(faces=answers.faces(answer)))
            case "DetectModerationLabels":
                answer = self._client.detect_moderation_labels(Image=image)
                findings = Findings(moderation_labels=answers.moderation_labels(answer))
                return RekognitionResponse(findings, answer.get("ModerationModelVersion"))
            case "RecognizeCelebrities":
                answer = self._client.recognize_celebrities(Image=image)
                return RekognitionResponse(Findings(celebrities=answers.celebrities(answer)))
        raise ValueError(f"No feature is answered by {question.operation}.")

    def _labels(self, features: tuple[Feature, ...], image: dict[str, Any]) -> RekognitionResponse:
        request: dict[str, Any] = {
            "Image": image,
            "Features": [_FEATURES_OF_DETECT_LABELS[feature] for feature in features],
        }
        # Rekognition refuses the settings of a feature that is not asked for.
        if Feature.LABELS in features:
            request |= {"MaxLabels": self._max_labels, "MinConfidence": self._min_confidence}
        answer = self._client.detect_labels(**request)
        findings = Findings(labels=answers.labels(answer), properties=answers.properties(answer))
        return RekognitionResponse(findings, answer.get("LabelModelVersion"))


_FEATURES_OF_DETECT_LABELS = {
    Feature.LABELS: "GENERAL_LABELS",
    Feature.PROPERTIES: "IMAGE_PROPERTIES",
}
_OPERATIONS = {
    Feature.TEXT: "DetectText",
    Feature.FACES: "DetectFaces",
    Feature.MODERATION: "DetectModerationLabels",
    Feature.CELEBRITIES: "RecognizeCelebrities",
}
