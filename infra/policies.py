"""The functions' policies, written by hand in .chalice/policies, for one stage and account.

A policy there is what IAM takes, except for `${partition}`, `${region}`, `${account}` and
`${stage}`. Chalice reads a policy as it is, so each is rendered before it deploys.
"""

from collections.abc import Mapping
from pathlib import Path
from string import Template

from infra.account import Account


def render(project: Path, stage: str, account: Account, policy_files: Mapping[str, str]) -> None:
    """Write each function's policy to where Chalice looks for it; KeyError for a wrong name."""
    values = {
        "partition": account.partition,
        "region": account.region,
        "account": account.id,
        "stage": stage,
    }
    folder = project / ".chalice"
    for function, file in policy_files.items():
        policy = Template((folder / "policies" / f"{function}.json").read_text())
        rendered = folder / file
        rendered.parent.mkdir(parents=True, exist_ok=True)
        rendered.write_text(policy.substitute(values))


def remove(project: Path, policy_files: Mapping[str, str]) -> None:
    """Remove what `render` wrote."""
    for file in policy_files.values():
        rendered = project / ".chalice" / file
        rendered.unlink(missing_ok=True)
        if rendered.parent.is_dir() and not any(rendered.parent.iterdir()):
            rendered.parent.rmdir()
