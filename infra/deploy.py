"""Deploys a stage: the resource stacks first, then the functions with `chalice deploy`.

    THIRD_PARTY_URL=https://example.com/results python -m infra.deploy --stage dev

Safe to run again, also after a failure half-way: what is there and unchanged is left alone, what
was left unfinished is finished. Which account and region, and at which endpoint, is botocore's own
configuration (AWS_PROFILE, AWS_DEFAULT_REGION, …).
"""

import argparse
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from infra import chalice_command, chalice_record, policies, webhook_secrets
from infra.account import Account
from infra.configuration import StageConfiguration
from infra.errors import DeployError
from infra.stacks import Stacks

PROJECT = Path(__file__).parent.parent

# What no stack can know: where the results go.
_GIVEN = "THIRD_PARTY_URL"

# Outputs that are told to the operator and that no function needs.
_NOT_RECORDED = {"ALARM_TOPIC_ARN"}


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
    configuration = StageConfiguration(project, stage)
    if not (configuration.variables | dict(variables)).get(_GIVEN):
        raise DeployError(
            f"{_GIVEN} is missing: where the results are to be delivered. Say it once, with "
            f"{_GIVEN}=https://… before the command; it is kept in .chalice/config.json."
        )
    account = Account.of(environment)
    tell(f"stage {stage} in account {account.id}, region {account.region}")
    outputs = Stacks(account.client("cloudformation"), stage, tell).deploy()
    tell(f"alarms are told to {outputs['AlarmTopicArn']}")
    configuration.record(settings_of(outputs) | dict(variables))
    webhook_secrets.first(account.client("ssm"), stage)  # without one nothing could be signed
    policies.render(project, stage, account, configuration.policy_files)
    chalice_record.complete(project, stage, account, configuration.policy_files, tell)
    lines = chalice_command.run(
        "deploy", stage, project=project, environment=environment, tell=tell
    )
    return next(
        line.partition("Rest API URL:")[2].strip() for line in lines if "Rest API URL:" in line
    )


def settings_of(outputs: Mapping[str, str]) -> dict[str, str]:
    """The stacks' outputs as environment variables of the functions."""
    named = {_variable_name(output): value for output, value in outputs.items()}
    return {name: value for name, value in named.items() if name not in _NOT_RECORDED}


def _variable_name(output: str) -> str:
    """`RecognitionQueueUrl` as an environment variable: `RECOGNITION_QUEUE_URL`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", output).upper()


def tell(line: str) -> None:
    """Show progress."""
    print(f"  {line}", flush=True)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Deploy a stage.")
    parser.add_argument("--stage", required=True)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="set")
    arguments = parser.parse_args()
    variables = dict(setting.split("=", 1) for setting in arguments.set)
    if _GIVEN in os.environ:
        variables.setdefault(_GIVEN, os.environ[_GIVEN])

    def act() -> None:
        tell(f"serves at {deploy(arguments.stage, variables)}")

    return exit_status_of(act, "deploy")


def exit_status_of(act: Callable[[], None], verb: str) -> int:
    """0 where it went well; 1, and one line that says why, where it did not."""
    try:
        act()
    except (DeployError, BotoCoreError, ClientError) as error:
        print(f"Could not {verb}: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
