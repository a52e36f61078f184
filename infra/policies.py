"""Renders the functions' hand-written IAM policies for one stage and account.

The files in .chalice/policies are IAM policies with the placeholders `${partition}`, `${region}`,
`${account}` and `${stage}`. Chalice does not substitute placeholders, so each policy is rendered
before a deploy.
"""

from collections.abc import Mapping
from pathlib import Path
from string import Template

from infra.account import Account


def render(project: Path, stage: str, account: Account, policy_files: Mapping[str, str]) -> None:
    """Render each function's policy to the path in `policy_files`, relative to .chalice.

    Raises KeyError for an unknown placeholder.
    """
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
    """Delete the policies that `render` wrote, and their folders once empty."""
    for file in policy_files.values():
        rendered = project / ".chalice" / file
        rendered.unlink(missing_ok=True)
        if rendered.parent.is_dir() and not any(rendered.parent.iterdir()):
            rendered.parent.rmdir()
