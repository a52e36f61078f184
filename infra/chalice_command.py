"""Chalice's own command line, with its progress shown as it comes."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from infra.errors import DeployError


def run(
    action: str,
    stage: str,
    *,
    project: Path,
    environment: Mapping[str, str],
    tell: Callable[[str], None],
) -> list[str]:
    """Run `chalice deploy` or `chalice delete` on a stage; the lines that it printed."""
    tell(f"chalice {action}")
    _remove_bytecode(project / "chalicelib")
    with subprocess.Popen(
        [Path(sys.executable).with_name("chalice"), action, "--stage", stage],
        cwd=project,
        # Chalice imports the app first, which would leave bytecode in what it packages next.
        env=dict(environment) | {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"},
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
            f"chalice {action} ended with exit status {process.returncode}; its lines are above. "
            "Mend the cause and run the same command again."
        )
    return lines


def _remove_bytecode(folder: Path) -> None:
    """Chalice would package what Python left there, and deploy anew when only that changed."""
    for bytecode in folder.rglob("__pycache__"):
        shutil.rmtree(bytecode, ignore_errors=True)
