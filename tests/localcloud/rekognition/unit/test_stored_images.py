import io
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.response import StreamingBody
from botocore.stub import Stubber

from localcloud.rekognition.protocol import ServiceError
from localcloud.rekognition.stored_images import MAX_BYTES, StoredImages


@pytest.fixture
def client() -> Any:
    return boto3.client(
        "s3", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )


@pytest.fixture
def s3_stub(client: Any) -> Iterator[Stubber]:
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def object_with(content: bytes, length: int | None = None) -> dict[str, Any]:
    length = len(content) if length is None else length
    return {"ContentLength": length, "Body": StreamingBody(io.BytesIO(content), len(content))}


def test_an_object_is_read(client: Any, s3_stub: Stubber) -> None:
    s3_stub.add_response("get_object", object_with(b"image"), {"Bucket": "images", "Key": "a b"})
    assert StoredImages(client).read({"Bucket": "images", "Name": "a b"}) == b"image"


def test_the_requested_version_is_read(client: Any, s3_stub: Stubber) -> None:
    expected = {"Bucket": "images", "Key": "a", "VersionId": "v7"}
    s3_stub.add_response("get_object", object_with(b"old"), expected)
    s3_object = {"Bucket": "images", "Name": "a", "Version": "v7"}
    assert StoredImages(client).read(s3_object) == b"old"


@pytest.mark.parametrize("code", ["NoSuchKey", "NoSuchBucket", "NoSuchVersion", "AccessDenied"])
def test_an_object_that_cannot_be_read_is_an_invalid_s3_object(
    code: str, client: Any, s3_stub: Stubber
) -> None:
    s3_stub.add_client_error("get_object", code)
    with pytest.raises(ServiceError, match=f"InvalidS3ObjectException: .*{code}"):
        StoredImages(client).read({"Bucket": "images", "Name": "a"})


def test_an_object_over_15_mib_is_too_large_and_not_read(client: Any, s3_stub: Stubber) -> None:
    s3_stub.add_response("get_object", object_with(b"", MAX_BYTES + 1))
    with pytest.raises(ServiceError, match="ImageTooLargeException"):
        StoredImages(client).read({"Bucket": "images", "Name": "a"})


@pytest.mark.parametrize("s3_object", [{}, {"Bucket": "images"}, {"Name": "a"}])
def test_bucket_and_name_are_both_required(
    s3_object: dict[str, str], client: Any, s3_stub: Stubber
) -> None:
    with pytest.raises(ServiceError, match="InvalidParameterException"):
        StoredImages(client).read(s3_object)


def test_an_unreachable_s3_is_an_invalid_s3_object() -> None:
    class Unreachable:
        def get_object(self, **_parameters: str) -> None:
            raise EndpointConnectionError(endpoint_url="http://s3.test")

    with pytest.raises(ServiceError, match=r"InvalidS3ObjectException.*s3\.test"):
        StoredImages(Unreachable()).read({"Bucket": "images", "Name": "a"})
