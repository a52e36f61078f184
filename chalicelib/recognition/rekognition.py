"""A wrapper of the Amazon Rekognition client, for images that are stored in S3."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.model.findings import Feature, Findings, RekognitionCall
from chalicelib.model.image import Failure
from chalicelib.recognition import rekognition_responses as responses
from chalicelib.recognition.request_rate import RequestRate, Throttled

# Rekognition's error codes for an image that no retry makes acceptable, and what we say of each:
# Rekognition's own messages can name the account, its roles and its resources.
# https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DetectLabels.html#API_DetectLabels_Errors
_PERMANENT = {
    "ImageTooLargeException": "Rekognition refuses the image because it is too large.",
    "InvalidImageFormatException": "Rekognition cannot read the image's format.",
    "InvalidParameterException": (
        "Rekognition refuses the image; its sides may be too short or too long for this feature."
    ),
    "NotImplementedException": "The stage's Rekognition has no model for this feature.",
}
_NOT_IMPLEMENTED = 501  # HTTP's status for an operation that a server does not support
_THROTTLED = {"ThrottlingException", "ProvisionedThroughputExceededException"}

logger = logging.getLogger(__name__)


class ImageRefused(Exception):
    """Raised when Rekognition permanently refuses an operation for an image; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.code}: {failure.reason}")
        self.failure = failure


class ObjectUnreadable(Exception):
    """Raised when Rekognition cannot read the S3 object.

    The object is gone, or the function's role lacks the permission to read it.
    """


@dataclass(frozen=True)
class RekognitionResponse:
    """The findings of one call; `model_version` is None if the operation does not report one."""

    findings: Findings
    model_version: str | None = None


def calls_for(features: Iterable[Feature]) -> tuple[RekognitionCall, ...]:
    """The fewest calls that cover these features: LABELS and PROPERTIES share DetectLabels."""
    requested = set(features)
    shared = tuple(each for each in (Feature.LABELS, Feature.PROPERTIES) if each in requested)
    single = (
        RekognitionCall(operation, (feature,))
        for feature, operation in _OPERATIONS.items()
        if feature in requested
    )
    return (
        *((RekognitionCall("DetectLabels", shared),) if shared else ()),
        *single,
    )


class Rekognition:
    """Calls Rekognition for images in one S3 bucket.

    DetectLabels returns at most `max_labels` labels, each with at least the confidence
    `min_confidence` from 0 to 100. `rate` keeps the calls below the quota.
    """

    def __init__(
        self,
        client: Any,
        bucket_name: str,
        max_labels: int,
        min_confidence: float,
        rate: RequestRate,
    ) -> None:
        self._client = client
        self._bucket_name = bucket_name
        self._max_labels = max_labels
        self._min_confidence = min_confidence
        self._rate = rate

    def detect(self, call: RekognitionCall, key: str) -> RekognitionResponse:
        """Make a call for the image with an S3 key in its turn, and return its findings.

        Raises ImageRefused if no retry can succeed, ObjectUnreadable, Throttled, and botocore's own
        exceptions for other errors, which may be temporary.
        """
        return self._rate.make(call.operation, lambda: self._call(call, key))

    def _call(self, call: RekognitionCall, key: str) -> RekognitionResponse:
        image = {"S3Object": {"Bucket": self._bucket_name, "Name": key}}
        try:
            return self._detect(call, image)
        except ClientError as error:
            code, reason = error.response["Error"]["Code"], error.response["Error"]["Message"]
            status_code = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status_code == _NOT_IMPLEMENTED:
                code = "NotImplementedException"
            if code in _PERMANENT:
                logger.warning("%s refuses the image: %s: %s", call.operation, code, reason)
                raise ImageRefused(Failure(code, _PERMANENT[code])) from error
            if code == "InvalidS3ObjectException":
                raise ObjectUnreadable(reason) from error
            if code in _THROTTLED:
                raise Throttled(reason, pause_seconds=0) from error
            raise

    def _detect(self, call: RekognitionCall, image: dict[str, Any]) -> RekognitionResponse:
        match call.operation:
            case "DetectLabels":
                return self._detect_labels(call.features, image)
            case "DetectText":
                response = self._client.detect_text(Image=image)
                return RekognitionResponse(
                    Findings(texts=responses.texts(response)), response.get("TextModelVersion")
                )
            case "DetectFaces":
                response = self._client.detect_faces(Image=image, Attributes=["ALL"])
                return RekognitionResponse(Findings(faces=responses.faces(response)))
            case "DetectModerationLabels":
                response = self._client.detect_moderation_labels(Image=image)
                findings = Findings(moderation_labels=responses.moderation_labels(response))
                return RekognitionResponse(findings, response.get("ModerationModelVersion"))
            case "RecognizeCelebrities":
                response = self._client.recognize_celebrities(Image=image)
                return RekognitionResponse(Findings(celebrities=responses.celebrities(response)))
        raise ValueError(f"No feature uses the operation {call.operation}.")

    def _detect_labels(
        self, features: tuple[Feature, ...], image: dict[str, Any]
    ) -> RekognitionResponse:
        request: dict[str, Any] = {
            "Image": image,
            "Features": [_FEATURES_OF_DETECT_LABELS[feature] for feature in features],
        }
        # Rekognition refuses settings of a feature that the request does not name.
        if Feature.LABELS in features:
            request |= {"MaxLabels": self._max_labels, "MinConfidence": self._min_confidence}
        response = self._client.detect_labels(**request)
        findings = Findings(
            labels=responses.labels(response), properties=responses.properties(response)
        )
        return RekognitionResponse(findings, response.get("LabelModelVersion"))


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
