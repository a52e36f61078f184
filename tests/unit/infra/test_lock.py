"""requirements.txt pins all that the Lambda package contains, as `make lock` writes it."""

import re
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = Path(__file__).parents[3]


def pins(name: str) -> dict[str, str]:
    """The versions in a file of requirements; every line must pin one."""
    found = {}
    for line in (PROJECT / name).read_text().splitlines():
        text = line.partition("#")[0].strip()
        if text:
            pin = re.fullmatch(r"([a-z0-9-]+)==([0-9a-z.]+)", text)
            assert pin, f"{name}: {line}"
            found[pin[1]] = pin[2]
    return found


def test_the_lock_has_what_is_required_in_the_same_version() -> None:
    assert pins("requirements.in").items() <= pins("requirements.txt").items()


def test_the_lock_pins_what_the_packages_need_in_turn() -> None:
    locked = pins("requirements.txt")
    for package in locked:
        for text in requires(package) or []:
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                assert needed.name.lower().replace("_", "-") in locked, f"{package} needs {text}"
