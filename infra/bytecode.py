"""Compiles what Chalice packages, so that a cold start does not.

Lambda unpacks a package into a folder that nobody can write to, so without bytecode in the package
every cold start compiles all that it imports. Chalice packages `chalicelib` and `vendor` as they
are: the bytecode of `chalicelib` goes to its own `__pycache__` folders, that of `app.py`, Chalice
and the requirements to the same places below `vendor`; in the package it meets its sources.

Each file holds the hash of its source and is checked against it at the import (PEP 552's checked
hash). So bytecode of another version is never run, times of files do not matter, and `chalice
deploy` alone, with missing or outdated bytecode, deploys a package that works and starts more
slowly. The same holds for a runtime with another version of Python.
"""

import py_compile
import re
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
from pathlib import Path

import chalice

_CHECKED_HASH = b"\x03\x00\x00\x00"
_CHALICE_MODULES = ("__init__.py", "app.py")  # all that Chalice packages of itself


def prepare(project: Path, progress: Callable[[str], None]) -> None:
    """Compile what changed, and remove bytecode that has no source any more.

    Unchanged files stay byte for byte, because Chalice deploys again if one differs. `progress`
    receives a line for each requirement that is not installed, and so is not compiled.
    """
    targets = dict(_targets(project, progress))
    for folder in [*(project / "chalicelib").rglob("__pycache__"), project / "vendor"]:
        for file in folder.rglob("*"):
            if file.is_file() and file not in targets:
                file.unlink()
    for target, (source, name) in targets.items():
        if not _is_current(target, source):
            target.parent.mkdir(parents=True, exist_ok=True)
            # The name in tracebacks must not show the deployer's folders.
            py_compile.compile(
                str(source),
                str(target),
                dfile=name,
                doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH,
            )


def _targets(
    project: Path, progress: Callable[[str], None]
) -> Iterator[tuple[Path, tuple[Path, str]]]:
    """Each file of bytecode, with its source, and the source's name in the package."""
    for source in sorted((project / "chalicelib").rglob("*.py")):
        yield Path(cache_from_source(str(source))), (source, str(source.relative_to(project)))
    vendor = project / "vendor"
    for name, source in _packaged(project, progress):
        yield Path(cache_from_source(str(vendor / name))), (source, name)


def _packaged(project: Path, progress: Callable[[str], None]) -> Iterator[tuple[str, Path]]:
    """The modules beside chalicelib: each name in the package, and the file here."""
    yield "app.py", project / "app.py"
    for module in _CHALICE_MODULES:
        yield f"chalice/{module}", Path(chalice.__file__).with_name(module)
    pins = (project / "requirements.txt").read_text()
    for requirement in re.findall(r"^[\w.-]+(?===)", pins, re.MULTILINE):
        try:
            files = distribution(requirement).files or ()
        except PackageNotFoundError:
            progress(f"{requirement} is not installed here, so it is packaged without bytecode")
            continue
        for file in files:
            if file.suffix == ".py" and ".." not in file.parts:
                yield str(file), Path(str(file.locate()))


def _is_current(target: Path, source: Path) -> bool:
    if not target.exists():
        return False
    expected = MAGIC_NUMBER + _CHECKED_HASH + source_hash(source.read_bytes())
    return target.read_bytes()[: len(expected)] == expected
