"""Every operation as clients see it: on the wire, through boto3 and through the AWS CLI.

The references are botocore's service model and the documentation of Rekognition's API.
"""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import boto3
import pytest
from botocore import xform_name
from botocore.model import ListShape, Shape, StructureShape
from PIL import Image

from tests.helpers.rekognition_process import (
    PHOTOGRAPHS,
    encoded,
    error_of,
    new_client,
    photograph,
    post,
    running_server,
)

MODEL = boto3.session.Session()._session.get_service_model("rekognition")
AWS = shutil.which("aws")
WOMAN, MAN = "astronaut.png", "cameraman-grey.png"
UNKNOWN_ID = "00000000-0000-0000-0000-000000000000"

# Errors that any operation may return although the service model does not list them.
COMMON_ERRORS = {"ValidationException"}

Request = dict[str, Any]
Call = Callable[[str, Request], dict[str, Any]]


def image(name: str) -> Request:
    return {"Bytes": photograph(name)}


# A request for each operation that has a model here. Those on a collection run in this order.
REQUESTS: dict[str, Request] = {
    "DetectLabels": {"Image": image(WOMAN)},
    "DetectText": {"Image": image(WOMAN)},
    "DetectFaces": {"Image": image(WOMAN), "Attributes": ["ALL"]},
    "DetectModerationLabels": {"Image": image(WOMAN), "MinConfidence": 0},
    "CompareFaces": {
        "SourceImage": image(WOMAN),
        "TargetImage": image(MAN),
        "SimilarityThreshold": 0,
    },
    "CreateCollection": {"CollectionId": "people"},
    "IndexFaces": {"CollectionId": "people", "Image": image(WOMAN), "ExternalImageId": "she"},
    "ListCollections": {},
    "DescribeCollection": {"CollectionId": "people"},
    "ListFaces": {"CollectionId": "people"},
    "SearchFacesByImage": {"CollectionId": "people", "Image": image(WOMAN)},
    "SearchFaces": {"CollectionId": "people", "FaceId": "the id from IndexFaces"},
    "DeleteFaces": {"CollectionId": "people", "FaceIds": ["the id from IndexFaces"]},
    "DeleteCollection": {"CollectionId": "people"},
}
IMAGE_OPERATIONS = [name for name, request in REQUESTS.items() if "Image" in request]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    collections = tmp_path_factory.mktemp("faces") / "collections.sqlite"
    nothing_listens = "http://127.0.0.1:1"
    with running_server(
        "--collections", str(collections), "--s3-endpoint-url", nothing_listens
    ) as url:
        yield url


@pytest.fixture(scope="module")
def client(url: str) -> Any:
    """A client that validates nothing, so that errors are the server's."""
    return new_client(url)


@pytest.fixture(scope="module")
def on_the_wire(url: str) -> dict[str, dict[str, Any]]:
    """The server's response to each operation, as JSON."""

    def call(operation: str, request: Request) -> dict[str, Any]:
        status, response = post_json(url, operation, request)
        assert status == 200, response
        return response

    return call_all(call)


def call_all(call: Call) -> dict[str, dict[str, Any]]:
    """The response to each operation in REQUESTS."""
    responses: dict[str, dict[str, Any]] = {}
    for operation, request in REQUESTS.items():
        if operation in ("SearchFaces", "DeleteFaces"):
            face_id = responses["IndexFaces"]["FaceRecords"][0]["Face"]["FaceId"]
            face = {"FaceId": face_id} if "FaceId" in request else {"FaceIds": [face_id]}
            request = request | face
        responses[operation] = call(operation, request)
    return responses


def post_json(url: str, operation: str, request: Request) -> tuple[int, dict[str, Any]]:
    """Send a request as raw JSON, with bytes as base64; return the status and the response."""
    body = json.dumps(request, default=lambda value: base64.b64encode(value).decode())
    return post(url, body.encode(), **{"X-Amz-Target": f"RekognitionService.{operation}"})


def comparable(responses: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The responses without the members that each client adds or formats in its own way."""
    ignored = {"ResponseMetadata", "CreationTimestamp"}
    return {
        operation: {name: value for name, value in response.items() if name not in ignored}
        for operation, response in responses.items()
    }


# The same responses on the wire, through boto3 and through the AWS CLI


@pytest.mark.parametrize("operation", REQUESTS)
def test_a_response_on_the_wire_conforms_to_the_service_model(
    operation: str, on_the_wire: dict[str, dict[str, Any]]
) -> None:
    shape = MODEL.operation_model(operation).output_shape
    assert list(violations(on_the_wire[operation], shape, operation)) == []


TYPES: dict[str, Any] = {
    **dict.fromkeys(("float", "double", "timestamp"), (int, float)),
    **dict.fromkeys(("integer", "long"), int),
    "string": str,
    "boolean": bool,
    "list": list,
    "structure": dict,
}


def violations(value: Any, shape: Shape, path: str) -> Iterator[str]:
    """How a JSON document differs from its shape in the service model."""
    if not isinstance(value, TYPES[shape.type_name]):
        yield f"{path} is {value!r}, not a {shape.type_name}"
    elif isinstance(shape, StructureShape):
        for name in shape.required_members:
            if name not in value:
                yield f"{path}.{name} is missing"
        for name, member in value.items():
            if name in shape.members:
                yield from violations(member, shape.members[name], f"{path}.{name}")
            else:
                yield f"{path}.{name} is not in the model"
    elif isinstance(shape, ListShape):
        for number, item in enumerate(value):
            yield from violations(item, shape.member, f"{path}[{number}]")
    else:
        measured = len(value) if isinstance(value, str) else value
        lowest, highest = (shape.metadata.get(limit, measured) for limit in ("min", "max"))
        if not lowest <= measured <= highest or value not in (
            shape.metadata.get("enum") or [value]
        ):
            yield f"{path} is {value!r}, against {shape.metadata}"


def test_boto3_gets_the_same_responses(url: str, on_the_wire: dict[str, dict[str, Any]]) -> None:
    checking = boto3.client(
        "rekognition",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )
    responses = call_all(lambda name, request: getattr(checking, xform_name(name))(**request))
    assert comparable(responses) == comparable(on_the_wire)


@pytest.mark.skipif(AWS is None, reason="the AWS CLI is not installed")
def test_the_aws_cli_gets_the_same_responses(
    url: str, on_the_wire: dict[str, dict[str, Any]]
) -> None:
    def call(operation: str, request: Request) -> dict[str, Any]:
        done = aws(url, operation, request)
        assert done.returncode == 0, done.stderr
        response: dict[str, Any] = json.loads(done.stdout)
        return response

    assert comparable(call_all(call)) == comparable(on_the_wire)


@pytest.mark.skipif(AWS is None, reason="the AWS CLI is not installed")
def test_the_aws_cli_reports_an_operation_without_a_model(url: str) -> None:
    done = aws(url, "RecognizeCelebrities", {"Image": image(WOMAN)})
    assert done.returncode != 0
    assert "NotImplementedException" in done.stderr
    assert "no model for RecognizeCelebrities" in done.stderr


def aws(url: str, operation: str, request: Request) -> subprocess.CompletedProcess[str]:
    options: list[str] = []
    for name, value in request.items():
        option = f"--{xform_name(name, '-')}"
        if "Image" in name and isinstance(value, dict):
            file = next(f for f in (WOMAN, MAN) if photograph(f) == value["Bytes"])
            options += [f"{option}-bytes", f"fileb://{PHOTOGRAPHS / file}"]
        else:
            values = value if isinstance(value, list) else [value]
            options += [option, *map(str, values)]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "NO_PROXY": "127.0.0.1",
    }
    command = [str(AWS), "rekognition", xform_name(operation, "-"), *options]
    return subprocess.run(
        [*command, "--endpoint-url", url, "--output", "json"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


# The content of the responses


def test_an_indexed_face_is_listed_found_and_deleted(
    on_the_wire: dict[str, dict[str, Any]],
) -> None:
    (record,) = on_the_wire["IndexFaces"]["FaceRecords"]
    face_id = record["Face"]["FaceId"]
    assert record["Face"]["ExternalImageId"] == "she"
    assert on_the_wire["ListCollections"]["CollectionIds"] == ["people"]
    assert on_the_wire["DescribeCollection"]["FaceCount"] == 1
    assert [face["FaceId"] for face in on_the_wire["ListFaces"]["Faces"]] == [face_id]
    (match,) = on_the_wire["SearchFacesByImage"]["FaceMatches"]
    assert match["Face"]["FaceId"] == face_id
    assert match["Similarity"] > 99
    assert on_the_wire["SearchFaces"]["FaceMatches"] == []  # the collection has no other face
    assert on_the_wire["DeleteFaces"]["DeletedFaces"] == [face_id]


def test_with_all_attributes_a_face_has_every_documented_landmark(
    on_the_wire: dict[str, dict[str, Any]],
) -> None:
    (face,) = on_the_wire["DetectFaces"]["FaceDetails"]
    found = [mark["Type"] for mark in face["Landmarks"]]
    assert sorted(found) == sorted(MODEL.shape_for("LandmarkType").enum)


# Defaults, according to the documentation of the API


@pytest.mark.parametrize(
    ("operation", "request_", "default"),
    [
        ("detect_labels", {}, {"MinConfidence": 55, "Features": ["GENERAL_LABELS"]}),
        ("detect_labels", {"MinConfidence": 0}, {"MaxLabels": 1000}),
        ("detect_text", {}, {"Filters": {"WordFilter": {"MinConfidence": 80}}}),
        ("detect_faces", {}, {"Attributes": ["DEFAULT"]}),
        ("detect_moderation_labels", {}, {"MinConfidence": 50}),
    ],
)
def test_defaults_are_the_documented_ones(
    operation: str, request_: Request, default: Request, client: Any
) -> None:
    call = getattr(client, operation)
    for name in (WOMAN, "coffee.png"):
        implicit = call(Image=image(name), **request_)
        explicit = call(Image=image(name), **request_, **default)
        assert comparable({"": implicit}) == comparable({"": explicit})


# Limits, according to the service model


def beyond_limits(shape: Shape) -> Iterator[Any]:
    """Values that a member of a request does not allow."""
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if shape.type_name in ("integer", "float"):
        yield from [least - 1] if least is not None else []
        yield from [most + 1] if most is not None else []
    elif shape.type_name == "string":
        yield from [""] if least else []
        yield from ["x" * (most + 1)] if most else []
        yield from ["ANYTHING"] if shape.metadata.get("enum") else []
    elif isinstance(shape, ListShape):
        yield from [[]] if least else []
        yield from [[UNKNOWN_ID] * (most + 1)] if most else []
        yield from [["ANYTHING"]] if shape.member.metadata.get("enum") else []


BEYOND_LIMITS = [
    pytest.param(operation, member, value, id=f"{operation}-{member}-{str(value)[:10]}")
    for operation in REQUESTS
    for member, shape in MODEL.operation_model(operation).input_shape.members.items()
    for value in beyond_limits(shape)
]


@pytest.mark.parametrize(("operation", "member", "value"), BEYOND_LIMITS)
def test_a_value_beyond_its_limit_is_rejected(
    operation: str, member: str, value: Any, client: Any
) -> None:
    request = REQUESTS[operation] | {member: value}
    status, code, message = error_of(getattr(client, xform_name(operation)), **request)
    assert (status, code) == (400, "ValidationException")
    assert member[0].lower() + member[1:] in message


@pytest.mark.parametrize(
    ("operation", "member"),
    [
        (operation, member)
        for operation in REQUESTS
        for member in MODEL.operation_model(operation).input_shape.required_members
    ],
)
def test_a_missing_required_member_is_rejected(operation: str, member: str, client: Any) -> None:
    request = {name: value for name, value in REQUESTS[operation].items() if name != member}
    status, code, message = error_of(getattr(client, xform_name(operation)), **request)
    assert (status, code) == (400, "ValidationException")
    assert "must not be null" in message


# Errors


INVALID_IMAGES = {
    "not an image": ({"Bytes": b"not an image"}, "InvalidImageFormatException"),
    "too small": (
        {"Bytes": encoded(Image.new("RGB", (79, 200)))},
        "InvalidParameterException",
    ),
    "too large": (
        {"Bytes": encoded(Image.new("1", (10_001, 80)))},
        "ImageTooLargeException",
    ),
    "too many bytes": ({"Bytes": bytes(5_242_881)}, "ValidationException"),
    "empty": ({}, "InvalidParameterException"),
    "bytes and object": (
        {"Bytes": photograph(MAN), "S3Object": {"Bucket": "some-bucket", "Name": "a"}},
        "InvalidParameterException",
    ),
    "missing object": (
        {"S3Object": {"Bucket": "some-bucket", "Name": "a"}},
        "InvalidS3ObjectException",
    ),
}


@pytest.mark.parametrize("case", INVALID_IMAGES)
@pytest.mark.parametrize("operation", [*IMAGE_OPERATIONS, "CompareFaces"])
def test_an_unusable_image_is_the_documented_error(operation: str, case: str, client: Any) -> None:
    image, expected = INVALID_IMAGES[case]
    member = "TargetImage" if operation == "CompareFaces" else "Image"
    request = REQUESTS[operation] | {member: image}
    status, code, _ = error_of(getattr(client, xform_name(operation)), **request)
    assert (status, code) == (400, expected)
    documented = {error.name for error in MODEL.operation_model(operation).error_shapes}
    assert code in documented | COMMON_ERRORS


def test_a_modeled_error_is_the_clients_typed_exception(client: Any) -> None:
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.describe_collection(CollectionId="nobody")
    client.create_collection(CollectionId="twice")
    with pytest.raises(client.exceptions.ResourceAlreadyExistsException):
        client.create_collection(CollectionId="twice")


def test_botocores_paginators_read_all_pages(client: Any) -> None:
    names = [f"page-{number}" for number in range(3)]
    for name in names:
        client.create_collection(CollectionId=name)
    pages = client.get_paginator("list_collections").paginate(PaginationConfig={"PageSize": 2})
    found = [name for page in pages for name in page["CollectionIds"]]
    assert [name for name in found if name.startswith("page-")] == names


@pytest.mark.parametrize(
    "operation", [name for name in MODEL.operation_names if name not in REQUESTS]
)
def test_an_operation_without_a_model_is_not_implemented(operation: str, url: str) -> None:
    status, response = post_json(url, operation, {})
    assert (status, response["__type"]) == (501, "NotImplementedException")
    assert f"no model for {operation}" in response["message"]
