"""The AWS account and region a stage is deployed to, and the boto3 clients for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.errors import DeployError

APP_NAME = "image-recognition"
_CONFIG = Config(connect_timeout=5, retries={"mode": "standard", "max_attempts": 5})


@dataclass(frozen=True)
class Account:
    """An AWS account and region, with the session that reaches them."""

    session: Any
    endpoint_url: str | None
    id: str
    partition: str  # "aws", "aws-cn" in the China Regions, …
    region: str

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Account":
        """The account that `environment`'s AWS_* variables give access to.

        Raises DeployError if no Region or credentials are set, if AWS rejects the credentials, or
        if AWS cannot be reached.
        """
        try:
            session = boto3.Session(
                aws_access_key_id=environment.get("AWS_ACCESS_KEY_ID"),
                aws_secret_access_key=environment.get("AWS_SECRET_ACCESS_KEY"),
                aws_session_token=environment.get("AWS_SESSION_TOKEN"),
                region_name=environment.get("AWS_DEFAULT_REGION"),
            )
            if session.region_name is None:
                raise DeployError(
                    "No region is set. Set AWS_DEFAULT_REGION (for example us-east-1), or set "
                    "AWS_PROFILE to a profile that has a region."
                )
            if session.get_credentials() is None:
                raise DeployError(
                    "There are no credentials. Set AWS_PROFILE, or run `aws configure`."
                )
            endpoint_url = environment.get("AWS_ENDPOINT_URL")
            caller = session.client(
                "sts", endpoint_url=endpoint_url, config=_CONFIG
            ).get_caller_identity()
        except ClientError as error:
            raise DeployError(
                f"AWS does not accept the credentials: {error.response['Error']['Message']}"
            ) from error
        except BotoCoreError as error:
            raise DeployError(f"AWS cannot be reached: {error}") from error
        partition = caller["Arn"].split(":")[1]
        return cls(session, endpoint_url, caller["Account"], partition, session.region_name)

    def client(self, service: str) -> Any:
        """A boto3 client for `service`."""
        return self.session.client(service, endpoint_url=self.endpoint_url, config=_CONFIG)
