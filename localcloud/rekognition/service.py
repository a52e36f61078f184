"""The local Rekognition without HTTP: an operation's name and request in, its response out."""

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

# A request holds decoded images and occupies the CPU cores; further requests wait for their turn.
_MAX_CONCURRENT_REQUESTS = 4


@dataclass(frozen=True)
class Operation:
    """The implementation of an operation.

    `answer` takes the validated request and its decoded images, in the order of the service
    model's members, and returns the response; it raises ServiceError. The images are reduced to
    at most `image_side` pixels per side.
    """

    answer: Callable[..., dict[str, Any]]
    image_side: int = images.WORKING_SIDE


class Rekognition:
    """Answers requests with its `operations`, by name; thread-safe."""

    def __init__(self, operations: Mapping[str, Operation], stored_images: StoredImages) -> None:
        self._operations = operations
        self._stored_images = stored_images
        self._model = botocore.session.get_session().get_service_model("rekognition")
        self._slots = threading.BoundedSemaphore(_MAX_CONCURRENT_REQUESTS)

    def handle_body(self, operation: str, body: bytes) -> bytes:
        """The response to a request, both as JSON bodies; raises ServiceError."""
        request = protocol.decode_request(body, self._operation_model(operation).input_shape)
        return protocol.encode_response(self.handle(operation, request))

    def handle(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """The response to a request, both in the form of boto3's dictionaries.

        Raises ServiceError: UnknownOperationException for a name that Rekognition does not have,
        NotImplementedException (501) for an operation without a model here, ValidationException
        for a request that violates the service model, and those of the operation itself.
        """
        model = self._operation_model(operation)
        if operation not in self._operations:
            raise ServiceError(
                "NotImplementedException",
                f"The local Rekognition has no model for {operation} and fabricates no results. It "
                f"supports {', '.join(self._operations)}. Use Amazon Rekognition for the rest.",
                501,
            )
        validation.validate_request(request, model.input_shape)
        implementation = self._operations[operation]
        references = [request[name] for name in _image_members(model.input_shape)]
        logger.info("%s of %s", operation, ", ".join(map(_name, references)) or "a collection")
        with self._slots:
            side = implementation.image_side
            decoded = [images.decode(self._content(reference), side) for reference in references]
            response = implementation.answer(request, *decoded)
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
