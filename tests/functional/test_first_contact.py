"""What `chalice` says in a fresh clone, before any stage is deployed."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
CHALICE = Path(sys.executable).with_name("chalice")


@pytest.mark.parametrize(
    "command", [["local"], ["local", "--no-autoreload"], ["deploy"], ["local", "--stage", "prod"]]
)
def test_without_a_deployed_stage_one_message_names_the_commands(
    tmp_path: Path, command: list[str]
) -> None:
    for name in ("app.py", "requirements.txt", "chalicelib", ".chalice/config.json"):
        source, target = PROJECT / name, tmp_path / name
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    forget_deployed_stages(tmp_path / ".chalice" / "config.json")
    done = subprocess.run(
        [CHALICE, *command],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "AWS_DEFAULT_REGION": "us-east-1", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    # Chalice's reloader ends with 0 however the server that it started ends.
    assert done.returncode == (0 if command[0] == "local" and len(command) != 2 else 1)
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("This stage is not deployed.")
    assert done.stderr.count("\n") == 1
    for command_to_use in ("make run", "make deploy STAGE=dev", "chalice local --stage local"):
        assert command_to_use in done.stderr


def forget_deployed_stages(config: Path) -> None:
    """The file as it is in a fresh clone: a deploy records variables in it."""
    values = json.loads(config.read_text())
    for stage in values["stages"].values():
        stage["environment_variables"] = {}
    config.write_text(json.dumps(values))
