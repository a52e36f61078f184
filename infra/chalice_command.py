"""Runs the Chalice command line and streams its output."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from infra import bytecode
from infra.errors import DeployError


def run(
    action: str,
    stage: str,
    *,
    project: Path,
    environment: Mapping[str, str],
    progress: Callable[[str], None],
) -> list[str]:
    """Run `chalice ACTION --stage STAGE` in `project` and return the lines it printed.

    `action` is "deploy" or "delete". `progress` receives each line as Chalice prints it. Raises
    DeployError if Chalice exits with a nonzero status.
    """
    progress(f"chalice {action}")
    bytecode.prepare(project, progress)
    with subprocess.Popen(
        [Path(sys.executable).with_name("chalice"), action, "--stage", stage],
        cwd=project,
        # Chalice imports the app before it packages it, which must not touch the bytecode.
        env=dict(environment) | {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None  # noqa: S101 - narrows the type for mypy
        lines = []
        for line in process.stdout:
            lines.append(line.rstrip())
            progress(lines[-1])
    if process.returncode:
        raise DeployError(
            f"chalice {action} exited with status {process.returncode}; its output is above. "
            "Fix the cause and run the same command again."
        )
    return lines
