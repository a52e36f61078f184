"""Bytecode beside the sources: current, the same if nothing changed, and never run if outdated."""

import subprocess
import sys
from pathlib import Path

import pytest

from infra import bytecode


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text("from chalicelib import answers\nprint(answers.ANSWER)\n")
    (tmp_path / "requirements.txt").write_text("dicttoxml==1.7.16  # via -r requirements.in\n")
    (tmp_path / "chalicelib").mkdir()
    (tmp_path / "chalicelib" / "__init__.py").touch()
    (tmp_path / "chalicelib" / "answers.py").write_text("ANSWER = 42\n")
    prepare(tmp_path)
    return tmp_path


def prepare(project: Path) -> list[str]:
    lines: list[str] = []
    bytecode.prepare(project, lines.append)
    return lines


def compiled(project: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(project)).replace(f".{sys.implementation.cache_tag}", ""): (
            file.read_bytes()
        )
        for file in project.rglob("*.pyc")
    }


def test_chalice_the_app_and_the_requirements_are_compiled(project: Path) -> None:
    assert set(compiled(project)) == {
        "chalicelib/__pycache__/__init__.pyc",
        "chalicelib/__pycache__/answers.pyc",
        "vendor/__pycache__/app.pyc",
        "vendor/__pycache__/dicttoxml.pyc",
        "vendor/chalice/__pycache__/__init__.pyc",
        "vendor/chalice/__pycache__/app.pyc",
    }
    assert not any(str(project).encode() in each for each in compiled(project).values())


def test_what_did_not_change_stays_as_it_is(project: Path) -> None:
    files = {file: file.stat().st_mtime_ns for file in project.rglob("*.pyc")}
    (project / "chalicelib" / "answers.py").touch()
    prepare(project)
    assert files == {file: file.stat().st_mtime_ns for file in project.rglob("*.pyc")}


def test_what_changed_is_compiled_again_and_what_is_gone_is_removed(project: Path) -> None:
    before = compiled(project)
    (project / "chalicelib" / "other.py").write_text("OTHER = 1\n")
    (project / "chalicelib" / "answers.py").write_text("ANSWER = 43\n")
    (project / "requirements.txt").write_text("")
    prepare(project)
    after = compiled(project)
    assert after.keys() - before.keys() == {"chalicelib/__pycache__/other.pyc"}
    assert before.keys() - after.keys() == {"vendor/__pycache__/dicttoxml.pyc"}
    changed = {name for name in before.keys() & after.keys() if before[name] != after[name]}
    assert changed == {"chalicelib/__pycache__/answers.pyc"}


def test_outdated_bytecode_is_not_run(project: Path) -> None:
    """As after `chalice deploy` alone: what the source says counts, whatever its time."""
    answers = project / "chalicelib" / "answers.py"
    answers.write_text("ANSWER = 43\n")
    done = subprocess.run(
        [sys.executable, "-B", "app.py"], cwd=project, capture_output=True, text=True, check=True
    )
    assert done.stdout == "43\n"


def test_a_requirement_that_is_not_installed_is_named(project: Path) -> None:
    (project / "requirements.txt").write_text("no-such-package==1.0\n")
    (line,) = prepare(project)
    assert line.startswith("no-such-package is not installed")
