"""Creates, lists and retires the secrets that sign the results delivered to the third party.

    python -m infra.webhook_secrets --stage dev create     adds one; a deploy creates the first
    python -m infra.webhook_secrets --stage dev list
    python -m infra.webhook_secrets --stage dev retire NAME

To rotate a secret: create a new one, give it to the third party, then retire the old one. In the
meantime every result is signed with both.
"""

import argparse
import base64
import secrets
import sys
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

SECRET_BYTES = 32  # Standard Webhooks requires 24 to 64
MAX_SECRETS = 2


class WebhookSecretError(Exception):
    """A secret could not be created or retired; the message says why."""


def path_of(stage: str) -> str:
    """The SSM parameter path of a stage's secrets; must match infra/integration.yaml."""
    return f"/image-recognition/{stage}/webhook-secrets"


def create(client: Any, stage: str) -> str:
    """Create another secret and return it; raise WebhookSecretError if there are MAX_SECRETS."""
    known = names(client, stage)
    if len(known) >= MAX_SECRETS:
        raise WebhookSecretError(
            f"There are already {len(known)} secrets, the maximum: {', '.join(known)}. "
            "Retire one first."
        )
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    client.put_parameter(
        Name=f"{path_of(stage)}/{datetime.now(UTC):%Y%m%dT%H%M%S%f}",
        Value=secret,
        Type="SecureString",
    )
    return secret


def first(client: Any, stage: str) -> str:
    """The oldest secret, which is created if there is none."""
    found = _read(client, stage)
    return found[min(found)] if found else create(client, stage)


def names(client: Any, stage: str) -> list[str]:
    """The names of a stage's secrets, oldest first: a name is the secret's creation time."""
    return sorted(_read(client, stage))


def retire(client: Any, stage: str, name: str) -> None:
    """Stop signing with a secret; raise WebhookSecretError if there is none with that name."""
    try:
        client.delete_parameter(Name=f"{path_of(stage)}/{name}")
    except client.exceptions.ParameterNotFound as error:
        raise WebhookSecretError(
            f"Stage {stage} has no secret named {name!r}. List its secrets with `list`."
        ) from error


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
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(description="Create, list and retire the webhook secrets.")
    parser.add_argument("--stage", required=True)
    parser.add_argument("action", choices=["create", "list", "retire"])
    parser.add_argument("name", nargs="?")
    arguments = parser.parse_args()
    if arguments.action == "retire" and not arguments.name:
        parser.error("retire needs the name of a secret")
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
                print(f"{arguments.name} is retired; caches sign with it for up to 30 more seconds")
    except (WebhookSecretError, BotoCoreError, ClientError) as error:
        print(f"Could not {arguments.action}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
