"""Measures the DynamoDB write units of an image, through the deployed local stage.

    python -m benchmarks.write_cost [--burst 100]

The image has ten labels with a parent and an alias each, all different. It is taken in, recognized,
delivered and counted. The first table is that of a single image, when nothing else happens; the
second that of an image in a burst, where writes may share a batch. Both omit what is written once
per process or model, because another image precedes them. The units are those of DynamoDB's rules
(benchmarks/write_units.py), for the writes that the functions send, one row per kind of item.
Exits with status 1 if an image costs more than GOAL.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.recording_proxy import RecordingProxy, Write, recording
from benchmarks.throughput import POSTS_AT_ONCE, require_complete
from benchmarks.write_units import TABLE
from tests.helpers.quick_servers import TEN_LABELS
from tests.helpers.quick_stage import quick_stage
from tests.helpers.stage_process import StageProcess, wait_for
from tests.helpers.steps import image_files, post

GOAL = 80
SECONDS = 300


def measure(burst: int) -> tuple[list[Write], list[Write]]:
    """The writes of a single image, and those of a burst of images."""
    with (
        tempfile.TemporaryDirectory() as folder,
        quick_stage(Path(folder, "project")) as quick,
        recording(quick.stage) as proxy,
    ):
        stage = quick.stage
        _from_post_to_count(stage, proxy, image_files("first", 1), 1)
        proxy.forget()
        _from_post_to_count(stage, proxy, image_files("single", 1), 2)
        single = proxy.writes
        proxy.forget()
        _from_post_to_count(stage, proxy, image_files("burst", burst), 2 + burst)
        return single, proxy.writes


def _from_post_to_count(
    stage: StageProcess, proxy: RecordingProxy, contents: Sequence[bytes], images: int
) -> None:
    """Send images through the stage until all `images` so far are counted, and nothing is written.

    Checks that each is recognized and delivered.
    """
    for image_id in post(stage, contents, at_once=POSTS_AT_ONCE):
        require_complete(stage, image_id)
    expected = {name: images for name, _, _ in TEN_LABELS} | {"calls": images}
    wait_for(
        lambda: counts_of(stage),
        lambda counts: counts == expected,
        SECONDS,
        f"the counts of {images} images",
    )
    proxy.wait_until_quiet()


def counts_of(stage: StageProcess) -> dict[str, int]:
    """The number of images of each label, and the number of calls of Rekognition."""
    labels = stage.request("GET", "/labels?limit=100").json()["labels"]
    calls = stage.request("GET", "/usage").json()["calls"]
    return {label["name"]: label["count"] for label in labels} | {"calls": calls}


def report(title: str, writes: Sequence[Write], images: int) -> float:
    """Print a table of units per image, by kind of item and index; return their sum."""
    units: Counter[tuple[str, str]] = Counter()
    items = Counter(write.kind for write in writes)
    for write in writes:
        for index, number in write.units.items():
            units[write.kind, index] += number
    indexes = [TABLE, *sorted({index for _, index in units} - {TABLE})]
    print(f"\n{title}\n")
    print("| item | writes | " + " | ".join(indexes) + " | units |")
    print("| --- | --- |" + " --- |" * (len(indexes) + 1))
    for kind in sorted(items):
        numbers = [units[kind, index] / images for index in indexes]
        cells = " | ".join(f"{number:g}" for number in [*numbers, sum(numbers)])
        print(f"| {kind} | {items[kind] / images:g} | {cells} |")
    total = units.total() / images
    print(f"\n{total:g} units per image.")
    return total


def main() -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.write_cost")
    parser.add_argument("--burst", type=int, default=100)
    burst = parser.parse_args().burst
    single, of_burst = measure(burst)
    totals = (
        report("A single image", single, 1),
        report(f"An image in a burst of {burst}", of_burst, burst),
    )
    if max(totals) > GOAL:
        print(f"An image costs more than {GOAL} units.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
