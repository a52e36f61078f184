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


# Rekognition refuses what is over the account's transactions per second. Waiting here would be paid
# for; the message waits in its queue instead.
_ONE_TRY = Config(retries={"mode": "standard", "total_max_attempts": 1})

# Of presigned URLs S3 takes version 4 in every region.
_CONFIGS = {
    "rekognition": CONFIG.merge(_ONE_TRY),
    "s3": CONFIG.merge(Config(signature_version="s3v4")),
}


@cache
def client(service_name: str) -> Any:
    """The process's client of a service. Its endpoint comes from botocore's own configuration."""
    return boto3.client(service_name, config=_CONFIGS.get(service_name, CONFIG))
