import base64
import json
from collections.abc import Mapping
from typing import Any, cast

import pytest
from PIL import Image

from localcloud.rekognition.images import DecodedImage
from localcloud.rekognition.protocol import ServiceError
from localcloud.rekognition.service import Operation, Rekognition
from localcloud.rekognition.stored_images import StoredImages
from tests.helpers.rekognition.images import encoded

PNG = encoded(Image.new("RGB", (120, 90), "green"), "PNG")


class FakeDetectLabels:
    """Returns the image's size as the model version, or an invalid response if MaxLabels is 13."""

    def answer(self, request: Mapping[str, Any], image: DecodedImage) -> dict[str, Any]:
        if request.get("MaxLabels") == 13:
            return {"Nonsense": True}
        return {"LabelModelVersion": f"{image.width} x {image.height}"}


class FakeStoredImages:
    def read(self, s3_object: Mapping[str, str]) -> bytes:
        return {"images/green": PNG}[f"{s3_object['Bucket']}/{s3_object['Name']}"]


@pytest.fixture
def rekognition() -> Rekognition:
    stored_images = cast(StoredImages, FakeStoredImages())
    return Rekognition({"DetectLabels": Operation(FakeDetectLabels().answer)}, stored_images)


def test_bytes_are_decoded_for_the_operation(rekognition: Rekognition) -> None:
    response = rekognition.handle("DetectLabels", {"Image": {"Bytes": PNG}})
    assert response == {"LabelModelVersion": "120 x 90"}


def test_an_object_in_s3_is_read_for_the_operation(rekognition: Rekognition) -> None:
    image = {"S3Object": {"Bucket": "images", "Name": "green"}}
    response = rekognition.handle("DetectLabels", {"Image": image})
    assert response == {"LabelModelVersion": "120 x 90"}


def test_a_json_request_has_a_json_response(rekognition: Rekognition) -> None:
    body = json.dumps({"Image": {"Bytes": base64.b64encode(PNG).decode()}}).encode()
    response = json.loads(rekognition.handle_body("DetectLabels", body))
    assert response == {"LabelModelVersion": "120 x 90"}


@pytest.mark.parametrize(
    "image",
    [{}, {"Bytes": PNG, "S3Object": {"Bucket": "images", "Name": "green"}}],
)
def test_an_image_must_be_either_bytes_or_an_object(
    image: dict[str, Any], rekognition: Rekognition
) -> None:
    with pytest.raises(ServiceError, match="InvalidParameterException"):
        rekognition.handle("DetectLabels", {"Image": image})


def test_the_request_is_validated_before_anything_is_read(rekognition: Rekognition) -> None:
    image = {"S3Object": {"Bucket": "images", "Name": "not there"}}
    with pytest.raises(ServiceError, match="ValidationException"):
        rekognition.handle("DetectLabels", {"Image": image, "MinConfidence": 101})


def test_the_response_is_validated(rekognition: Rekognition) -> None:
    with pytest.raises(ServiceError, match="InternalServerError"):
        rekognition.handle("DetectLabels", {"Image": {"Bytes": PNG}, "MaxLabels": 13})


def test_an_operation_without_a_model_is_not_implemented(rekognition: Rekognition) -> None:
    with pytest.raises(ServiceError) as caught:
        rekognition.handle_body("DetectFaces", b"{}")
    assert (caught.value.code, caught.value.status) == ("NotImplementedException", 501)
    assert "no model for DetectFaces" in caught.value.message


@pytest.mark.parametrize("operation", ["DetectUnicorns", "", "detectlabels"])
def test_an_operation_that_rekognition_lacks_is_unknown(
    operation: str, rekognition: Rekognition
) -> None:
    with pytest.raises(ServiceError) as caught:
        rekognition.handle_body(operation, b"{}")
    assert (caught.value.code, caught.value.status) == ("UnknownOperationException", 400)
