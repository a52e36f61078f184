"""Makes and retires the secrets by which the third party knows that a result is ours.

    python -m infra.webhook_secrets --stage dev create     adds one; deploying made the first
    python -m infra.webhook_secrets --stage dev list
    python -m infra.webhook_secrets --stage dev retire NAME

To change a secret for another: create; give the new one to the third party; retire the old one.
Meanwhile every result is signed with both.
"""

import argparse
import base64
import secrets
import sys
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

SECRET_BYTES = 32  # Standard Webhooks asks for 24 to 64
MOST_SECRETS = 2


class WebhookSecretError(Exception):
    """The secret could not be made or retired; the message says why."""


def path_of(stage: str) -> str:
    """Where a stage's secrets are kept; the same as in infra/integration.yaml."""
    return f"/image-recognition/{stage}/webhook-secrets"


def create(client: Any, stage: str) -> str:
    """Make one more secret and return it; raise WebhookSecretError where there are two."""
    known = names(client, stage)
    if len(known) >= MOST_SECRETS:
        raise WebhookSecretError(
            f"There are {len(known)} secrets already: {', '.join(known)}. Retire one first."
        )
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    client.put_parameter(
        Name=f"{path_of(stage)}/{datetime.now(UTC):%Y%m%dT%H%M%S%f}",
        Value=secret,
        Type="SecureString",
    )
    return secret


def first(client: Any, stage: str) -> str:
    """The oldest secret; it is made where there is none."""
    found = _read(client, stage)
    return found[min(found)] if found else create(client, stage)


def names(client: Any, stage: str) -> list[str]:
    """The names of a stage's secrets, the oldest first: a name is when the secret was made."""
    return sorted(_read(client, stage))


def retire(client: Any, stage: str, name: str) -> None:
    """Sign with a secret no longer; raise WebhookSecretError where there is none of that name."""
    try:
        client.delete_parameter(Name=f"{path_of(stage)}/{name}")
    except client.exceptions.ParameterNotFound as error:
        raise WebhookSecretError(f"There is no secret {name!r} at stage {stage}.") from error


def _read(client: Any, stage: str) -> dict[str, str]:
    pages = client.get_paginator("get_parameters_by_path").paginate(
        Path=path_of(stage), WithDecryption=True
    )
    return {
        parameter["Name"].rpartition("/")[2]: parameter["Value"]
        for page in pages
        for parameter in page["Parameters"]
    }


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Make and retire secrets of the webhook.")
    parser.add_argument("--stage", required=True)
    parser.add_argument("action", choices=["create", "list", "retire"])
    parser.add_argument("name", nargs="?")
    arguments = parser.parse_args()
    if arguments.action == "retire" and not arguments.name:
        parser.error("retire needs a secret's name")
    try:
        client = boto3.client("ssm")
        match arguments.action:
            case "create":
                print(create(client, arguments.stage))
            case "list":
                for name, secret in sorted(_read(client, arguments.stage).items()):
                    print(f"{name}  {secret}")
            case "retire":
                retire(client, arguments.stage, arguments.name)
                print(f"{arguments.name} is retired; it signs for 30 more seconds at most")
    except (WebhookSecretError, BotoCoreError, ClientError) as error:
        print(f"Could not {arguments.action}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
