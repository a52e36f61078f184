"""Rekognition without a socket: an operation's name and request in, its response out."""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import botocore.session
from botocore.model import OperationModel, StructureShape

from localcloud.rekognition import images, protocol, validation
from localcloud.rekognition.protocol import ServiceError
from localcloud.rekognition.stored_images import StoredImages

logger = logging.getLogger(__name__)

# Each request in work holds a decoded picture and keeps the cores busy; more wait their turn.
_REQUESTS_AT_ONCE = 4


@dataclass(frozen=True)
class Operation:
    """How an operation is answered.

    `answer` takes the validated request and the request's pictures, in the order in which the
    service model has them, and gives the response; it raises ServiceError. The pictures are
    reduced to `picture_side` pixels.
    """

    answer: Callable[..., dict[str, Any]]
    picture_side: int = images.WORKING_SIDE


class Rekognition:
    """Answers requests by name of operation; safe to use from many threads."""

    def __init__(self, operations: Mapping[str, Operation], stored_images: StoredImages) -> None:
        self._operations = operations
        self._stored_images = stored_images
        self._model = botocore.session.get_session().get_service_model("rekognition")
        self._turns = threading.BoundedSemaphore(_REQUESTS_AT_ONCE)

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
        chosen = self._operations[operation]
        named = [request[name] for name in _image_members(model.input_shape)]
        logger.info("%s of %s", operation, ", ".join(map(_name, named)) or "a collection")
        with self._turns:
            side = chosen.picture_side
            pictures = [images.decode(self._content(image), side) for image in named]
            response = chosen.answer(request, *pictures)
        validation.validate_response(response, model.output_shape)
        return response

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


def _image_members(request: StructureShape) -> list[str]:
    return [name for name, member in request.members.items() if member.name == "Image"]


def _name(image: Mapping[str, Any]) -> str:
    stored = image.get("S3Object")
    return f"{stored.get('Bucket')}/{stored.get('Name')}" if stored else "bytes"
