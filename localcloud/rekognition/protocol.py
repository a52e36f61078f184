"""The AWS JSON 1.1 protocol: decodes requests, encodes responses and errors.

https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
"""

import base64
import binascii
import json
from typing import Any

from botocore.model import ListShape, Shape, StructureShape

CONTENT_TYPE = "application/x-amz-json-1.1"


class ServiceError(Exception):
    """An error response of Rekognition.

    `code` is Error.Code in boto3, `message` is Error.Message, and `status` is the HTTP status: 4xx
    for errors of the caller, 5xx for errors of the server.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


def decode_request(body: bytes, shape: StructureShape) -> dict[str, Any]:
    """The request in the form of boto3's parameters: blobs as bytes, unknown members dropped.

    Raises ServiceError SerializationException for a body that is not JSON of the model's types.
    """
    try:
        document = json.loads(body or b"{}", parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise _serialization_error("the body is not JSON") from error
    decoded: dict[str, Any] = _decode(document, shape, "")
    return decoded


def encode_response(response: dict[str, Any]) -> bytes:
    """The response as JSON."""
    return json.dumps(response, separators=(",", ":")).encode()


def encode_error(error: ServiceError) -> bytes:
    """The error as JSON."""
    return json.dumps({"__type": error.code, "message": error.message}).encode()


def _decode(value: Any, shape: Shape, path: str) -> Any:
    if isinstance(shape, StructureShape):
        if not isinstance(value, dict):
            raise _serialization_error(f"{path or 'the body'} must be an object")
        return {
            name: _decode(value[name], member, f"{path}.{name}".lstrip("."))
            for name, member in shape.members.items()
            if value.get(name) is not None
        }
    if isinstance(shape, ListShape):
        if not isinstance(value, list):
            raise _serialization_error(f"{path} must be a list")
        return [_decode(item, shape.member, f"{path}.{i}") for i, item in enumerate(value, 1)]
    if shape.type_name == "blob":
        return _decode_blob(value, path)
    return _decode_scalar(value, shape.type_name, path)


def _decode_blob(value: Any, path: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise _serialization_error(f"{path} must be base64") from error


_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float),
    "map": (dict,),
}


def _decode_scalar(value: Any, type_name: str, path: str) -> Any:
    expected = _JSON_TYPES[type_name]
    is_wrong_boolean = isinstance(value, bool) and bool not in expected  # bool is a subclass of int
    if isinstance(value, expected) and not is_wrong_boolean:
        return value
    if type_name in ("integer", "long") and isinstance(value, float) and value.is_integer():
        return int(value)
    raise _serialization_error(f"{path} must be of type {type_name}")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _serialization_error(what: str) -> ServiceError:
    return ServiceError("SerializationException", f"The request cannot be read: {what}.")
