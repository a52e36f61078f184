"""Takes a stage away, in the order that works: functions, stacks, and then what keeps data.

    python -m infra.destroy --stage dev
    FORCE=1 python -m infra.destroy --stage dev    although there are images

Safe to run again, also after a failure half-way.
"""

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from infra import chalice_command, chalice_record, data, policies, tokens, webhook_secrets
from infra.account import Account
from infra.configuration import StageConfiguration
from infra.deploy import PROJECT, exit_status_of, settings_of, tell
from infra.errors import DeployError
from infra.stacks import Stacks, output_names


def destroy(
    stage: str,
    *,
    force: bool = False,
    project: Path = PROJECT,
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Take everything of a stage away; raise DeployError if there is data and no `force`.

    What was given with a deploy (THIRD_PARTY_URL, …) stays in .chalice/config.json for the next.
    """
    configuration = StageConfiguration(project, stage)
    account = Account.of(environment)
    tell(f"stage {stage} in account {account.id}, region {account.region}")
    held = data.held(account, stage)
    if held and not force:
        raise DeployError(
            f"Stage {stage} holds {' and '.join(held)}. Add FORCE=1 to delete them for good."
        )
    functions = configuration.policy_files
    chalice_record.complete(project, stage, account, functions, tell)
    if chalice_record.path_of(project, stage).exists():
        chalice_command.run("delete", stage, project=project, environment=environment, tell=tell)
        chalice_record.path_of(project, stage).unlink(missing_ok=True)
    Stacks(account.client("cloudformation"), stage, tell).destroy()
    data.delete(account, stage, tell)
    ssm = account.client("ssm")
    for name in tokens.names(ssm, stage):
        tokens.revoke(ssm, stage, name)
        tell(f"token {name}: revoked")
    for name in webhook_secrets.names(ssm, stage):
        webhook_secrets.retire(ssm, stage, name)
        tell(f"webhook secret {name}: deleted")
    policies.remove(project, functions)
    configuration.forget(settings_of(dict.fromkeys(output_names(), "")))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Take a stage away.")
    parser.add_argument("--stage", required=True)
    arguments = parser.parse_args()
    force = os.environ.get("FORCE") == "1"
    return exit_status_of(lambda: destroy(arguments.stage, force=force), "destroy")


if __name__ == "__main__":
    sys.exit(main())
