"""The service model's shapes that the tests use."""

from typing import Any

import botocore.session

MODEL = botocore.session.get_session().get_service_model("rekognition")
REQUEST: Any = MODEL.operation_model("DetectLabels").input_shape
RESPONSE: Any = MODEL.operation_model("DetectLabels").output_shape
