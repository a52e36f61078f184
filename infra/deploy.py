"""Deploys a stage: the resource stacks first, then the functions with `chalice deploy`.

    python -m infra.deploy --stage dev --set THIRD_PARTY_URL=https://example.com/results

Safe to run again: what is there and unchanged is left alone. Which account and region, and at
which endpoint, is botocore's own configuration (AWS_PROFILE, AWS_DEFAULT_REGION, …).
"""

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.stacks import StackError, Stacks

PROJECT = Path(__file__).parent.parent


class DeployError(Exception):
    """The stage could not be deployed; the message says why and what to do."""


def deploy(
    stage: str,
    variables: Mapping[str, str],
    *,
    project: Path = PROJECT,
    environment: Mapping[str, str] = os.environ,
) -> str:
    """Deploy a stage and return the URL that `chalice deploy` tells.

    `variables` are added to the stage's environment variables in .chalice/config.json, where the
    stacks' outputs are recorded too. `environment` is the environment in which AWS is reached.
    """
    session = boto3.Session(
        aws_access_key_id=environment.get("AWS_ACCESS_KEY_ID"),
        aws_secret_access_key=environment.get("AWS_SECRET_ACCESS_KEY"),
        aws_session_token=environment.get("AWS_SESSION_TOKEN"),
        region_name=environment.get("AWS_DEFAULT_REGION"),
    )
    client = session.client("cloudformation", endpoint_url=environment.get("AWS_ENDPOINT_URL"))
    outputs = Stacks(client, stage, tell).deploy()
    recorded = {_variable_name(output): value for output, value in outputs.items()}
    record_variables(project / ".chalice" / "config.json", stage, recorded | dict(variables))
    tell("chalice deploy")
    return _chalice_deploy(stage, project, environment)


def record_variables(config_file: Path, stage: str, variables: Mapping[str, str]) -> None:
    """Set environment variables of a stage in Chalice's configuration; others stay."""
    config = json.loads(config_file.read_text())
    recorded = config["stages"][stage].setdefault("environment_variables", {})
    recorded.update(variables)
    text = json.dumps(config, indent=2) + "\n"
    if text != config_file.read_text():
        config_file.write_text(text)


def tell(line: str) -> None:
    """Show progress."""
    print(f"  {line}", flush=True)


def _variable_name(output: str) -> str:
    """`RecognitionQueueUrl` as an environment variable: `RECOGNITION_QUEUE_URL`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", output).upper()


def _chalice_deploy(stage: str, project: Path, environment: Mapping[str, str]) -> str:
    command = [Path(sys.executable).with_name("chalice"), "deploy", "--stage", stage]
    with subprocess.Popen(
        command,
        cwd=project,
        env=dict(environment) | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None  # noqa: S101 - says so to mypy
        lines = []
        for line in process.stdout:
            lines.append(line.rstrip())
            tell(lines[-1])
    if process.returncode:
        raise DeployError(
            f"chalice deploy ended with exit status {process.returncode}; its lines are above."
        )
    return next(_urls(lines))


def _urls(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if "Rest API URL:" in line:
            yield line.partition("Rest API URL:")[2].strip()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Deploy a stage.")
    parser.add_argument("--stage", required=True)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="set")
    arguments = parser.parse_args()
    variables = dict(setting.split("=", 1) for setting in arguments.set)
    try:
        url = deploy(arguments.stage, variables)
    except (StackError, DeployError, BotoCoreError, ClientError) as error:
        print(f"Could not deploy: {error}", file=sys.stderr)
        return 1
    tell(f"serves at {url}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
