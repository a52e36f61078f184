"""The only place that creates boto3 clients."""

from functools import cache
from typing import Any

import boto3
from botocore.config import Config

# A Lambda function has 29 to 60 seconds in total, so no single call may take botocore's default of
# 60 seconds to connect and 60 to read. Rekognition is the slowest to respond.
CONFIG = Config(
    connect_timeout=3,
    read_timeout=15,
    retries={"mode": "standard", "max_attempts": 3},
)

# Rekognition throttles calls above the account's transactions per second. A retry here would bill
# Lambda for the wait; instead, the message waits in its queue at no cost.
_ONE_ATTEMPT = Config(retries={"mode": "standard", "total_max_attempts": 1})

# The authorizer has 10 seconds in total, and goes on without SSM if that does not answer.
_QUICK = Config(
    connect_timeout=1,
    read_timeout=2,
    retries={"mode": "standard", "total_max_attempts": 2},
)

# S3 accepts presigned URLs with signature version 4 in every region.
_CONFIGS = {
    "rekognition": CONFIG.merge(_ONE_ATTEMPT),
    "ssm": CONFIG.merge(_QUICK),
    "s3": CONFIG.merge(Config(signature_version="s3v4")),
}


@cache
def client(service_name: str) -> Any:
    """The client of a service, such as `s3`, shared by the whole process.

    botocore's own configuration, such as AWS_ENDPOINT_URL, determines the endpoint.
    """
    return boto3.client(service_name, config=_CONFIGS.get(service_name, CONFIG))
