"""Deploys a stage: the CloudFormation stacks first, then the functions with `chalice deploy`.

    THIRD_PARTY_URL=https://example.com/results python -m infra.deploy --stage dev

Safe to rerun, even after a failure partway: unchanged resources are left alone and unfinished ones
are completed. botocore's own settings (AWS_PROFILE, AWS_DEFAULT_REGION, …) choose the account,
Region and endpoint.
"""

import argparse
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.integration.third_party_url import (
    HTTP_ALLOWED_VARIABLE,
    URL_VARIABLE,
    parse_hosts,
    problem_with,
)
from infra import (
    chalice_command,
    chalice_record,
    concurrency,
    policies,
    stream_filter,
    webhook_secrets,
)
from infra.account import Account
from infra.configuration import StageConfiguration
from infra.errors import DeployError
from infra.partial_batch_responses import PartialBatchResponses
from infra.stacks import Stacks

PROJECT = Path(__file__).parent.parent

# From the deployer: no stack knows where results are delivered. Without a URL nothing is delivered.
_FROM_DEPLOYER = (URL_VARIABLE, HTTP_ALLOWED_VARIABLE)

# Outputs that are shown to the deployer and that no function needs.
_NOT_RECORDED = {"ALARM_TOPIC_ARN"}


def deploy(
    stage: str,
    variables: Mapping[str, str],
    *,
    project: Path = PROJECT,
    environment: Mapping[str, str] = os.environ,
) -> str:
    """Deploy a stage and return the URL of its REST API.

    `variables` and the stacks' outputs are recorded as the stage's environment variables in
    .chalice/config.json; an empty THIRD_PARTY_URL removes the recorded one. `environment` holds the
    AWS_* settings and is the environment `chalice` runs in. Raises DeployError; errors of AWS
    itself come as botocore's exceptions.
    """
    configuration = StageConfiguration(project, stage)
    _check_third_party(configuration.variables | dict(variables))
    account = Account.of(environment)
    print_progress(f"stage {stage} in account {account.id}, region {account.region}")
    outputs = Stacks(account.client("cloudformation"), stage, print_progress).deploy()
    print_progress(f"alarms are published to {outputs['AlarmTopicArn']}")
    configuration.record(settings_of(outputs) | dict(variables))
    recorded = configuration.variables
    # Chalice would deploy an empty variable.
    configuration.forget([name for name in _FROM_DEPLOYER if not recorded.get(name)])
    if not recorded.get(URL_VARIABLE):
        print_progress(
            f"no {URL_VARIABLE}: results are kept and published, and delivered to nobody"
        )
    functions = account.client("lambda")
    executions = concurrency.authorizations_at_once(functions, stage)
    configuration.reserve(concurrency.FUNCTION, executions)
    if executions is None:
        print_progress(
            "the account has too few concurrent executions to reserve any for the authorizer"
        )
    webhook_secrets.first(account.client("ssm"), stage)  # deliveries need at least one
    policies.render(project, stage, account, configuration.policy_files)
    chalice_record.complete(project, stage, account, configuration.policy_files, print_progress)
    lines = chalice_command.run(
        "deploy", stage, project=project, environment=environment, progress=print_progress
    )
    stream_filter.apply(functions, stage)
    PartialBatchResponses(functions, stage, print_progress).turn_on()
    return next(
        line.partition("Rest API URL:")[2].strip() for line in lines if "Rest API URL:" in line
    )


def _check_third_party(variables: Mapping[str, str]) -> None:
    """Raise DeployError for a THIRD_PARTY_URL that the functions would refuse."""
    url = variables.get(URL_VARIABLE, "").strip()
    allowed = parse_hosts(variables.get(HTTP_ALLOWED_VARIABLE, ""))
    problem = url and problem_with(url, allowed)
    if problem:
        raise DeployError(f"{URL_VARIABLE} {problem}.")


def settings_of(outputs: Mapping[str, str]) -> dict[str, str]:
    """Convert the stacks' outputs to the functions' environment variables."""
    variables = {_variable_name(output): value for output, value in outputs.items()}
    return {name: value for name, value in variables.items() if name not in _NOT_RECORDED}


def _variable_name(output: str) -> str:
    """Convert `RecognitionQueueUrl` to `RECOGNITION_QUEUE_URL`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", output).upper()


def print_progress(line: str) -> None:
    """Print a line of progress, indented."""
    print(f"  {line}", flush=True)


def main() -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(description="Deploy a stage.")
    parser.add_argument("--stage", required=True)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="set")
    arguments = parser.parse_args()
    variables = dict(setting.split("=", 1) for setting in arguments.set)
    for name in _FROM_DEPLOYER:
        if name in os.environ:
            variables.setdefault(name, os.environ[name])

    def act() -> None:
        print_progress(f"deployed to {deploy(arguments.stage, variables)}")

    return exit_status_of(act, "deploy")


def exit_status_of(act: Callable[[], None], verb: str) -> int:
    """Call `act` and return 0; if it fails, print the reason on one line of stderr and return 1."""
    try:
        act()
    except (DeployError, BotoCoreError, ClientError) as error:
        print(f"Could not {verb}: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
