from typing import Any

import boto3
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from botocore.stub import Stubber

from chalicelib.model.findings import Feature, RekognitionCall
from chalicelib.model.image import Failure
from chalicelib.recognition.failures import CODES, failure_of
from chalicelib.recognition.rekognition import (
    ImageRefused,
    ObjectUnreadable,
    Rekognition,
)
from chalicelib.recognition.request_rate import RequestRate, Throttled

SECRET = "User: arn:aws:sts::123456789012:assumed-role/image-recognition-dev-recognize/session"
LABELS = RekognitionCall("DetectLabels", (Feature.LABELS,))
RATE = RequestRate(1000, patience_seconds=0, hold_seconds=0)


@pytest.fixture
def client() -> Any:
    return boto3.client(
        "rekognition",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def error_of_call(client: Any, code: str, status_code: int) -> Exception:
    """What a call raises that Rekognition answers with an error whose text is SECRET."""
    rekognition = Rekognition(client, "bucket", max_labels=10, min_confidence=70, rate=RATE)
    with Stubber(client) as stubber:
        stubber.add_client_error("detect_labels", code, SECRET, http_status_code=status_code)
        with pytest.raises(Exception) as caught:  # noqa: PT011 - of any class
            rekognition.detect(LABELS, "images/0")
    return caught.value


@pytest.mark.parametrize(
    ("code", "status_code", "failure"),
    [
        ("ThrottlingException", 400, "RekognitionThrottled"),
        ("ProvisionedThroughputExceededException", 400, "RekognitionThrottled"),
        ("AccessDeniedException", 400, "RekognitionAccessDenied"),
        ("UnrecognizedClientException", 400, "RekognitionAccessDenied"),
        ("InvalidS3ObjectException", 400, "ImageUnreadable"),
        ("InternalServerError", 500, "RekognitionUnavailable"),
        ("ServiceUnavailable", 503, "RekognitionUnavailable"),
        ("ValidationException", 400, "InternalError"),
        ("InvalidImageFormatException", 400, "InvalidImageFormatException"),
        ("ImageTooLargeException", 400, "ImageTooLargeException"),
        ("InvalidParameterException", 400, "InvalidParameterException"),
        ("NotImplementedException", 501, "NotImplementedException"),
        (SECRET, 501, "NotImplementedException"),
    ],
)
def test_an_answer_of_rekognition_is_shown_as_a_code_and_a_sentence_of_ours(
    client: Any, code: str, status_code: int, failure: str
) -> None:
    shown = failure_of(error_of_call(client, code, status_code))
    assert shown.code == failure
    assert "arn:" not in shown.reason
    assert shown.reason.endswith(".")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Throttled(SECRET, 0), "RekognitionThrottled"),
        (ObjectUnreadable(SECRET), "ImageUnreadable"),
        (EndpointConnectionError(endpoint_url=SECRET), "RekognitionUnavailable"),
        (ConnectTimeoutError(endpoint_url=SECRET), "RekognitionUnavailable"),
        (ReadTimeoutError(endpoint_url=SECRET), "RekognitionUnavailable"),
        (NoCredentialsError(), "RekognitionUnavailable"),
        (ConnectionResetError(SECRET), "RekognitionUnavailable"),
        (ClientError({}, "DetectLabels"), "InternalError"),
        (KeyError(SECRET), "InternalError"),
    ],
)
def test_any_other_error_is_shown_as_a_code_and_a_sentence_of_ours(
    error: Exception, code: str
) -> None:
    shown = failure_of(error)
    assert shown.code == code
    assert code in CODES
    assert "arn:" not in shown.reason


def test_a_refusal_keeps_its_own_failure() -> None:
    failure = Failure("ImageTooLargeException", "Too large.")
    assert failure_of(ImageRefused(failure)) == failure
