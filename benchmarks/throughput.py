"""Measures how many images per second the deployed local stage takes in, recognizes and delivers.

    python -m benchmarks.throughput [--images 300] [--runs 3]

Posts small images that are new to the stage, 8 at once, while a recognizer and a third party of
this process answer at once. A run ends when the third party has the results of all images. After
it, the API must show each as recognized, with ten labels, and delivered. The first run only warms
the functions up. On a machine that others use as well, the fastest run is the best estimate; the
processor time that the stage uses for an image, emulator included, is the steadier figure.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.quick_servers import TEN_LABELS, QuickThirdParty
from tests.helpers.quick_stage import quick_stage
from tests.helpers.stage_process import StageProcess, wait_for
from tests.helpers.steps import image_files, post
from tests.helpers.worker_processes import processes

POSTS_AT_ONCE = 8
WARM_UP_IMAGES = 80
SECONDS = 300


@dataclass(frozen=True)
class Run:
    """A run: seconds until the last POST was answered and until all results were delivered.

    `processor_milliseconds` are those that the stage used, by function, and by the emulator itself.
    """

    images: int
    posting: float
    delivering: float
    processor_milliseconds: Counter[str]

    def milliseconds_per_image(self) -> float:
        """The processor time that an image took."""
        return self.processor_milliseconds.total() / self.images


def measure(stage: StageProcess, third_party: QuickThirdParty, contents: Sequence[bytes]) -> Run:
    """Send images through the stage; fails if one is not recognized and delivered."""
    started, used = time.monotonic(), processor_milliseconds(stage)
    ids = post(stage, contents, at_once=POSTS_AT_ONCE)
    posted = time.monotonic()
    wait_for_results(third_party, ids)
    ended, used = time.monotonic(), processor_milliseconds(stage) - used
    for image_id in ids:
        require_complete(stage, image_id)
    return Run(len(ids), posted - started, ended - started, used)


def wait_for_results(third_party: QuickThirdParty, ids: Sequence[str]) -> None:
    """Wait until the third party has received the results of all images."""
    wait_for(
        lambda: len(set(ids) - third_party.received.keys()),
        lambda missing: missing == 0,
        SECONDS,
        f"the results of {len(ids)} images",
    )


def processor_milliseconds(stage: StageProcess) -> Counter[str]:
    """The processor time that a stage has used so far, by function, and by the emulator itself."""
    milliseconds: Counter[str] = Counter()
    for process, function in processes(stage):
        try:
            # After the name in parentheses: user and system time, its own and of ended children.
            fields = (process / "stat").read_text().rpartition(")")[2].split()[11:15]
        except OSError:  # it has just ended
            continue
        milliseconds[function] += 1000 * sum(map(int, fields)) // os.sysconf("SC_CLK_TCK")
    return milliseconds


def require_complete(stage: StageProcess, image_id: str) -> None:
    """Fail unless an image is shown as recognized with all labels, and soon as delivered."""
    image = wait_for(
        lambda: stage.request("GET", f"/images/{image_id}").json(),
        lambda image: bool(image["delivery"]) and image["delivery"]["status"] == "DELIVERED",
        SECONDS,
        f"image {image_id} to be shown as delivered",
    )
    if image["status"] != "RECOGNIZED" or len(image["labels"]) != len(TEN_LABELS):
        raise RuntimeError(f"The image is not recognized: {image}")


def main() -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput")
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        quick_stage(Path(folder, "project")) as quick,
    ):
        stage, third_party = quick.stage, quick.third_party
        measure(stage, third_party, image_files("warm-up", WARM_UP_IMAGES))
        runs = []
        for number in range(arguments.runs):
            contents = image_files(f"throughput {number}", arguments.images)
            run = measure(stage, third_party, contents)
            runs.append(run)
            print(
                f"run {number + 1}: {run.images} images, the last POST answered after "
                f"{run.posting:.1f} s, all delivered after {run.delivering:.1f} s: "
                f"{run.images / run.delivering:.1f} images/s; "
                f"{run.milliseconds_per_image():.0f} ms of processor time an image",
                flush=True,
            )
    best = max(run.images / run.delivering for run in runs)
    least = min(runs, key=Run.milliseconds_per_image)
    print(
        f"best of {len(runs)}: {best:.1f} images/s on {os.cpu_count()} cores, "
        f"{least.milliseconds_per_image():.0f} ms of processor time an image:"
    )
    for name, milliseconds in least.processor_milliseconds.most_common():
        print(f"{milliseconds / least.images:6.1f} ms  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
