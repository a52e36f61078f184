"""The only place that makes boto3 clients."""

from functools import cache
from typing import Any

import boto3
from botocore.config import Config

# A Lambda function has 29 to 60 seconds for all it does, so no single call may take botocore's
# default of 60 seconds to connect and 60 to answer. Rekognition is the slowest to answer.
CONFIG = Config(
    connect_timeout=3,
    read_timeout=15,
    retries={"mode": "standard", "max_attempts": 3},
)


@cache
def client(service_name: str) -> Any:
    """The process's client of a service. Its endpoint comes from botocore's own configuration."""
    return boto3.client(service_name, config=CONFIG)
