import re
from typing import Any

import pytest

from localcloud.rekognition.protocol import ServiceError
from localcloud.rekognition.validation import validate_request, validate_response
from tests.helpers.rekognition.shapes import REQUEST, RESPONSE

IMAGE = {"Bytes": b"image"}


def message_for(request: dict[str, Any]) -> str:
    with pytest.raises(ServiceError) as caught:
        validate_request(request, REQUEST)
    assert (caught.value.code, caught.value.status) == ("ValidationException", 400)
    return caught.value.message


def general(**filters: list[str]) -> dict[str, Any]:
    return {"Image": IMAGE, "Settings": {"GeneralLabels": filters}}


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({}, "'image' failed to satisfy constraint: Member must not be null"),
        ({"Image": {"Bytes": b""}}, "'image.bytes' .* greater than or equal to 1"),
        ({"Image": {"Bytes": b"." * 5_242_881}}, "'image.bytes' .* less than or equal to 5242880"),
        ({"Image": IMAGE, "MaxLabels": -1}, "'-1' at 'maxLabels' .* greater than or equal to 0"),
        ({"Image": IMAGE, "MinConfidence": 100.5}, "'100.5' at 'minConfidence' .* to 100"),
        ({"Image": IMAGE, "MinConfidence": -0.1}, "'minConfidence' .* greater than or equal to 0"),
        ({"Image": IMAGE, "Features": ["FACES"]}, "'features.1.member' .* enum value set: "),
        ({"Image": IMAGE, "Features": ["GENERAL_LABELS"] * 3}, "'features' .* less than .* 2"),
        ({"Image": {"S3Object": {"Bucket": "a", "Name": "b"}}}, "'image.s3Object.bucket' .* 3"),
        ({"Image": {"S3Object": {"Bucket": "no spaces", "Name": "b"}}}, "regular expression"),
        ({"Image": {"S3Object": {"Bucket": "abc", "Name": ""}}}, "'image.s3Object.name' .* 1"),
        (general(LabelInclusionFilters=["x"] * 101), "labelInclusionFilters' .* 100"),
        (general(LabelExclusionFilters=["x" * 51]), "labelExclusionFilters.1.member' .* 50"),
        (general(LabelCategoryInclusionFilters=["a!b"]), "regular expression pattern"),
        (
            {"Image": IMAGE, "Settings": {"ImageProperties": {"MaxDominantColors": 21}}},
            "maxDominantColors' .* 20",
        ),
    ],
)
def test_each_limit_of_the_service_model_is_enforced(
    request_: dict[str, Any], expected: str
) -> None:
    message = message_for(request_)
    assert message.startswith("1 validation error detected: Value ")
    assert re.search(expected, message), message


def test_one_error_lists_all_violations() -> None:
    message = message_for({"MaxLabels": -1, "MinConfidence": 101})
    assert message.startswith("3 validation errors detected: ")
    assert "'image'" in message
    assert "'maxLabels'" in message
    assert "'minConfidence'" in message


@pytest.mark.parametrize(
    "request_",
    [
        {"Image": IMAGE},
        {"Image": {"Bytes": b"." * 5_242_880}, "MaxLabels": 0, "MinConfidence": 0},
        {"Image": {"S3Object": {"Bucket": "abc", "Name": "a b/ü", "Version": "1"}}},
        {"Image": IMAGE, "MinConfidence": 100, "Features": ["GENERAL_LABELS", "IMAGE_PROPERTIES"]},
        general(LabelInclusionFilters=["Piñata (toy), 2_crèmes", ""] * 50),
    ],
)
def test_a_request_within_the_limits_is_valid(request_: dict[str, Any]) -> None:
    validate_request(request_, REQUEST)


@pytest.mark.parametrize(
    "response",
    [
        {"Labels": [{"Confidence": 100.1}]},
        {"Labels": [{"Nickname": "Kitty"}]},
        {"OrientationCorrection": "ROTATE_45"},
    ],
)
def test_a_response_that_violates_the_service_model_is_an_internal_error(
    response: dict[str, Any],
) -> None:
    with pytest.raises(ServiceError) as caught:
        validate_response(response, RESPONSE)
    assert (caught.value.code, caught.value.status) == ("InternalServerError", 500)
