"""requirements.txt, which `make lock` writes, pins everything in the Lambda package."""

import re
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = Path(__file__).parents[3]


def pins(name: str) -> dict[str, str]:
    """The pinned version of each package in a requirements file; fails if a line pins none."""
    found = {}
    for line in (PROJECT / name).read_text().splitlines():
        text = line.partition("#")[0].strip()
        if text:
            pin = re.fullmatch(r"([a-z0-9-]+)==([0-9a-z.]+)", text)
            assert pin, f"{name}: {line}"
            found[pin[1]] = pin[2]
    return found


def test_the_lock_has_every_required_package_at_the_required_version() -> None:
    assert pins("requirements.in").items() <= pins("requirements.txt").items()


def test_the_lock_pins_every_transitive_dependency() -> None:
    locked = pins("requirements.txt")
    for package in locked:
        for text in requires(package) or []:
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                assert needed.name.lower().replace("_", "-") in locked, f"{package} needs {text}"
