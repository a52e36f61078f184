import base64
import json
from typing import Any

import pytest

from localcloud.rekognition.protocol import (
    ServiceError,
    decode_request,
    encode_error,
    encode_response,
)
from tests.helpers.rekognition.shapes import REQUEST


def decoded(document: Any) -> dict[str, Any]:
    return decode_request(json.dumps(document).encode(), REQUEST)


def test_blobs_are_decoded_and_other_members_are_as_in_boto3() -> None:
    image = {"Bytes": base64.b64encode(b"\xff\xd8 image").decode()}
    request = {"Image": image, "MaxLabels": 3, "MinConfidence": 70.5, "Features": ["X"]}
    assert decoded(request) == request | {"Image": {"Bytes": b"\xff\xd8 image"}}


def test_unknown_and_null_members_are_dropped() -> None:
    assert decoded({"MaxLabels": None, "Surprise": 1, "MinConfidence": 0}) == {"MinConfidence": 0}


def test_an_empty_body_is_an_empty_request() -> None:
    assert decode_request(b"", REQUEST) == {}


@pytest.mark.parametrize(
    "document",
    [
        [],
        "text",
        {"MaxLabels": "three"},
        {"MaxLabels": 2.5},
        {"MaxLabels": True},
        {"MinConfidence": "70"},
        {"MinConfidence": False},
        {"Features": "GENERAL_LABELS"},
        {"Features": [1]},
        {"Image": "image"},
        {"Image": {"Bytes": "not base64!"}},
        {"Image": {"Bytes": "QUJD!"}},
        {"Image": {"Bytes": 7}},
        {"Image": {"S3Object": {"Bucket": 7}}},
    ],
)
def test_wrong_types_are_serialization_errors(document: Any) -> None:
    with pytest.raises(ServiceError) as caught:
        decoded(document)
    assert (caught.value.code, caught.value.status) == ("SerializationException", 400)


@pytest.mark.parametrize(
    "body", [b"{", b"\xff\xfe", b'{"MinConfidence": NaN}', b"[" * 100_000, b"{} {}"]
)
def test_invalid_json_is_a_serialization_error(body: bytes) -> None:
    with pytest.raises(ServiceError, match="SerializationException"):
        decode_request(body, REQUEST)


def test_an_integer_may_have_a_fraction_of_zero() -> None:
    assert decoded({"MaxLabels": 5.0}) == {"MaxLabels": 5}


def test_errors_are_in_aws_json() -> None:
    error = json.loads(encode_error(ServiceError("InvalidParameterException", "because")))
    assert error == {"__type": "InvalidParameterException", "message": "because"}


def test_responses_are_json() -> None:
    assert json.loads(encode_response({"Labels": []})) == {"Labels": []}
