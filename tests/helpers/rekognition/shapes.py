"""Shapes of botocore's service model for Rekognition."""

from typing import Any

import botocore.session

MODEL = botocore.session.get_session().get_service_model("rekognition")
REQUEST: Any = MODEL.operation_model("DetectLabels").input_shape
RESPONSE: Any = MODEL.operation_model("DetectLabels").output_shape


def response_of(operation: str) -> Any:
    """The shape of an operation's response."""
    return MODEL.operation_model(operation).output_shape
