"""Creates, revokes and lists the bearer tokens of the API.

    python -m infra.tokens --stage dev create alice
    python -m infra.tokens --stage dev revoke alice
    python -m infra.tokens --stage dev list

A token is shown once, when it is created. SSM Parameter Store keeps only its hash.
"""

import argparse
import re
import secrets
import sys
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.api.tokens import checksum_of, hash_of

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


class TokenError(Exception):
    """A token could not be created or revoked; the message says why."""


def path_of(stage: str) -> str:
    """The SSM parameter path of a stage's tokens."""
    return f"/image-recognition/{stage}/tokens"


def create(client: Any, stage: str, name: str, *, replace: bool = False) -> str:
    """Create a token named `name` and return it.

    `replace` revokes the token that has the name. Raises TokenError if the name is invalid, or
    taken and not to be replaced.
    """
    if not _NAME.fullmatch(name):
        raise TokenError(
            f"{name!r} is not a valid token name. Use 1 to 64 letters, digits, dots, hyphens and "
            "underscores."
        )
    token = new_token()
    try:
        client.put_parameter(
            Name=f"{path_of(stage)}/{name}",
            Value=hash_of(token),
            Type="SecureString",
            Overwrite=replace,
        )
    except client.exceptions.ParameterAlreadyExists as error:
        raise TokenError(
            f"A token named {name!r} already exists. Revoke it first, or choose another name."
        ) from error
    return token


def new_token() -> str:
    """A token with 256 random bits and a checksum."""
    random = f"ir_{secrets.token_urlsafe(32)}"
    return random + checksum_of(random)


def revoke(client: Any, stage: str, name: str) -> None:
    """Revoke a token; raise TokenError if there is none with that name."""
    try:
        client.delete_parameter(Name=f"{path_of(stage)}/{name}")
    except client.exceptions.ParameterNotFound as error:
        raise TokenError(
            f"Stage {stage} has no token named {name!r}. List its tokens with `list`."
        ) from error


def names(client: Any, stage: str) -> list[str]:
    """The names of a stage's tokens, sorted."""
    pages = client.get_paginator("get_parameters_by_path").paginate(Path=path_of(stage))
    return sorted(
        parameter["Name"].rpartition("/")[2] for page in pages for parameter in page["Parameters"]
    )


def main() -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(description="Create, revoke and list the tokens of the API.")
    parser.add_argument("--stage", required=True)
    parser.add_argument("action", choices=["create", "revoke", "list"])
    parser.add_argument("name", nargs="?")
    arguments = parser.parse_args()
    if arguments.action != "list" and not arguments.name:
        parser.error(f"{arguments.action} needs the name of a token")
    try:
        client = boto3.client("ssm")
        match arguments.action:
            case "create":
                token = create(client, arguments.stage, arguments.name)
                print(f"{token}\n(shown only this once; it is not stored)")
            case "revoke":
                revoke(client, arguments.stage, arguments.name)
                print(f"{arguments.name} is revoked; caches accept it for up to 90 more seconds")
            case "list":
                print("\n".join(names(client, arguments.stage)) or "no tokens")
    except (TokenError, BotoCoreError, ClientError) as error:
        print(f"Could not {arguments.action}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
