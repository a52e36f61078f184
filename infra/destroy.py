"""Destroys a stage in dependency order: the functions, the stacks, then the data.

    python -m infra.destroy --stage dev
    FORCE=1 python -m infra.destroy --stage dev    even if there are images

Safe to rerun, even after a failure partway.
"""

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from infra import chalice_command, chalice_record, data, policies, tokens, webhook_secrets
from infra.account import Account
from infra.configuration import StageConfiguration
from infra.deploy import PROJECT, exit_status_of, print_progress, settings_of
from infra.errors import DeployError
from infra.stacks import Stacks, output_names


def destroy(
    stage: str,
    *,
    force: bool = False,
    project: Path = PROJECT,
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Delete everything a stage consists of; raise DeployError if it has data and `force` is false.

    Settings given to a deploy (THIRD_PARTY_URL, …) stay in .chalice/config.json for the next one.
    """
    configuration = StageConfiguration(project, stage)
    account = Account.of(environment)
    print_progress(f"stage {stage} in account {account.id}, region {account.region}")
    held = data.held(account, stage)
    if held and not force:
        raise DeployError(
            f"Stage {stage} holds {' and '.join(held)}. Add FORCE=1 to delete them permanently."
        )
    functions = configuration.policy_files
    chalice_record.complete(project, stage, account, functions, print_progress)
    if chalice_record.path_of(project, stage).exists():
        chalice_command.run(
            "delete", stage, project=project, environment=environment, progress=print_progress
        )
        chalice_record.path_of(project, stage).unlink(missing_ok=True)
    Stacks(account.client("cloudformation"), stage, print_progress).destroy()
    data.delete(account, stage, print_progress)
    ssm = account.client("ssm")
    for name in tokens.names(ssm, stage):
        tokens.revoke(ssm, stage, name)
        print_progress(f"token {name}: revoked")
    for name in webhook_secrets.names(ssm, stage):
        webhook_secrets.retire(ssm, stage, name)
        print_progress(f"webhook secret {name}: deleted")
    policies.remove(project, functions)
    configuration.forget(settings_of(dict.fromkeys(output_names(), "")))


def main() -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(description="Destroy a stage.")
    parser.add_argument("--stage", required=True)
    arguments = parser.parse_args()
    force = os.environ.get("FORCE") == "1"
    return exit_status_of(lambda: destroy(arguments.stage, force=force), "destroy")


if __name__ == "__main__":
    sys.exit(main())
