"""Makes and revokes the tokens that callers of the API need.

    python -m infra.tokens --stage dev create alice
    python -m infra.tokens --stage dev revoke alice
    python -m infra.tokens --stage dev list

A token is shown once, when it is made. Only its hash is kept, in SSM Parameter Store.
"""

import argparse
import re
import secrets
import sys
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.api.tokens import hash_of

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


class TokenError(Exception):
    """The token could not be made or revoked; the message says why."""


def path_of(stage: str) -> str:
    """Where a stage's tokens are kept."""
    return f"/image-recognition/{stage}/tokens"


def create(client: Any, stage: str, name: str, *, replace: bool = False) -> str:
    """Make a token and return it; raise TokenError where the name is bad or taken."""
    if not _NAME.fullmatch(name):
        raise TokenError(
            f"{name!r} is no name for a token: use 1 to 64 letters, digits, dots, dashes and "
            "underscores."
        )
    token = f"ir_{secrets.token_urlsafe(32)}"
    try:
        client.put_parameter(
            Name=f"{path_of(stage)}/{name}",
            Value=hash_of(token),
            Type="SecureString",
            Overwrite=replace,
        )
    except client.exceptions.ParameterAlreadyExists as error:
        raise TokenError(
            f"There is a token {name!r} already. Revoke it first, or choose another name."
        ) from error
    return token


def revoke(client: Any, stage: str, name: str) -> None:
    """Take a token back; raise TokenError where there is none of that name."""
    try:
        client.delete_parameter(Name=f"{path_of(stage)}/{name}")
    except client.exceptions.ParameterNotFound as error:
        raise TokenError(f"There is no token {name!r} at stage {stage}.") from error


def names(client: Any, stage: str) -> list[str]:
    """The names of a stage's tokens."""
    pages = client.get_paginator("get_parameters_by_path").paginate(Path=path_of(stage))
    return sorted(
        parameter["Name"].rpartition("/")[2] for page in pages for parameter in page["Parameters"]
    )


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Make and revoke tokens of the API.")
    parser.add_argument("--stage", required=True)
    parser.add_argument("action", choices=["create", "revoke", "list"])
    parser.add_argument("name", nargs="?")
    arguments = parser.parse_args()
    if arguments.action != "list" and not arguments.name:
        parser.error(f"{arguments.action} needs a token's name")
    try:
        client = boto3.client("ssm")
        match arguments.action:
            case "create":
                token = create(client, arguments.stage, arguments.name)
                print(f"{token}\n(shown this once, and kept nowhere)")
            case "revoke":
                revoke(client, arguments.stage, arguments.name)
                print(f"{arguments.name} is revoked; it works for 90 more seconds at most")
            case "list":
                print("\n".join(names(client, arguments.stage)) or "no tokens yet")
    except (TokenError, BotoCoreError, ClientError) as error:
        print(f"Could not {arguments.action}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
