"""Rekognition without a socket: an operation's name and request in, its response out."""

import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import botocore.session
from botocore.model import OperationModel

from localcloud.rekognition import images, protocol, validation
from localcloud.rekognition.classifier import Classifier
from localcloud.rekognition.detect_labels import DetectLabels
from localcloud.rekognition.detector import Detector
from localcloud.rekognition.images import Picture
from localcloud.rekognition.labels import LabelRecognizer
from localcloud.rekognition.protocol import ServiceError
from localcloud.rekognition.stored_images import StoredImages
from localcloud.rekognition.taxonomy import Taxonomy

logger = logging.getLogger(__name__)

# Each request in work holds a decoded picture and keeps the cores busy; more wait their turn.
_REQUESTS_AT_ONCE = 4


class Operation(Protocol):
    """An operation on one picture."""

    def answer(self, request: Mapping[str, Any], picture: Picture) -> dict[str, Any]:
        """The response to a validated request; raises ServiceError."""


class Rekognition:
    """Answers requests by name of operation; safe to use from many threads."""

    def __init__(self, operations: Mapping[str, Operation], stored_images: StoredImages) -> None:
        self._operations = operations
        self._stored_images = stored_images
        self._model = botocore.session.get_session().get_service_model("rekognition")
        self._turns = threading.BoundedSemaphore(_REQUESTS_AT_ONCE)

    @classmethod
    def open(cls, models: Mapping[str, Path], stored_images: StoredImages) -> "Rekognition":
        """With the models of these files, by name."""
        taxonomy = Taxonomy.load()
        recognizer = LabelRecognizer(
            Detector(models["detector"]), Classifier(models["classifier"]), taxonomy
        )
        return cls({"DetectLabels": DetectLabels(recognizer, taxonomy)}, stored_images)

    def handle_body(self, operation: str, body: bytes) -> bytes:
        """As `handle`, from JSON to JSON."""
        request = protocol.decode_request(body, self._operation_model(operation).input_shape)
        return protocol.encode_response(self.handle(operation, request))

    def handle(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """The response to a request in boto3's own form; raises ServiceError."""
        model = self._operation_model(operation)
        if operation not in self._operations:
            raise ServiceError(
                "NotImplementedException",
                f"The local Rekognition has no model for {operation} and makes nothing up. It "
                f"answers: {', '.join(self._operations)}. Use Amazon Rekognition for the rest.",
                501,
            )
        validation.validate_request(request, model.input_shape)
        logger.info("%s of %s", operation, _name(request["Image"]))
        with self._turns:
            picture = images.decode(self._content(request["Image"]))
            response = self._operations[operation].answer(request, picture)
        validation.validate_response(response, model.output_shape)
        return response

    def warm_up(self) -> None:
        """Run each model once, so that the first request is as quick as the others."""
        blank = Picture.blank(images.MIN_SIDE, images.MIN_SIDE)
        for operation in self._operations.values():
            operation.answer({}, blank)

    def _operation_model(self, operation: str) -> OperationModel:
        if operation not in self._model.operation_names:
            raise ServiceError(
                "UnknownOperationException", f"Amazon Rekognition has no operation {operation!r}."
            )
        return self._model.operation_model(operation)

    def _content(self, image: Mapping[str, Any]) -> bytes:
        if ("Bytes" in image) == ("S3Object" in image):
            raise ServiceError(
                "InvalidParameterException",
                "Request has invalid parameters: Image needs either Bytes or S3Object",
            )
        if "Bytes" in image:
            content: bytes = image["Bytes"]
            return content
        return self._stored_images.read(image["S3Object"])


def _name(image: Mapping[str, Any]) -> str:
    stored = image.get("S3Object")
    return f"{stored.get('Bucket')}/{stored.get('Name')}" if stored else "bytes"
