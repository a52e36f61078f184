"""Measures the time from POST until GET returns labels, on a local stage started for it and warm.

    python -m benchmarks.latency [--images 30]

Every posted image is new to the stage: a bundled photograph with some pixels changed.
"""

import argparse
import os
import platform
import random
import statistics
import tempfile
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from PIL import Image

from tests.helpers.stage_process import PROJECT, StageProcess

PHOTOGRAPHS = ("chelsea-cat.png", "coffee.png", "astronaut.png", "dahlia.jpg", "rocket.jpg")
WARM_UP = 5
POLL_SECONDS = 0.01


class QuietFiles(SimpleHTTPRequestHandler):
    """Serves files without logging requests."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Log nothing."""


def main() -> None:
    """Measure and print the results."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=30)
    image_count = parser.parse_args().images
    with tempfile.TemporaryDirectory() as folder:
        origin = Path(folder, "origin")
        origin.mkdir()
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietFiles, directory=folder))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        stage = StageProcess(Path(folder, "project"), {"FETCH_ALLOWED_ORIGINS": url})
        stage.copy_project()
        try:
            started = time.monotonic()
            stage.start()
            ready_seconds = time.monotonic() - started
            seconds = [measure(stage, url, origin, n) for n in range(WARM_UP + image_count)]
        finally:
            stage.stop_if_running()
    report(ready_seconds, sorted(seconds[WARM_UP:]))


def measure(stage: StageProcess, url: str, origin: Path, number: int) -> float:
    """The seconds from sending the POST until GET returns the result of a new image.

    Raises RuntimeError if the image is not accepted or not recognized.
    """
    name = make_image(origin, number)
    started = time.monotonic()
    response = stage.request("POST", "/images", json={"url": f"{url}/origin/{name}"})
    if response.status_code != 202:
        raise RuntimeError(f"POST /images returned {response.status_code}: {response.text}")
    image_id = response.json()["id"]
    while True:
        image = stage.request("GET", f"/images/{image_id}").json()
        if image["status"] != "PENDING":
            break
        time.sleep(POLL_SECONDS)
    seconds = time.monotonic() - started
    if image["status"] != "RECOGNIZED":
        raise RuntimeError(f"The image was not recognized: {image}")
    return seconds


def make_image(origin: Path, number: int) -> str:
    """Save a variant of a photograph that is new to the stage; its file name."""
    photograph = PHOTOGRAPHS[number % len(PHOTOGRAPHS)]
    image = Image.open(PROJECT / "localcloud" / "photographs" / photograph).convert("RGB")
    scatter = random.Random(number)  # noqa: S311 - the same images every time
    for _ in range(5):
        place = (scatter.randrange(image.width), scatter.randrange(image.height))
        image.putpixel(place, (number % 256, 0, 0))
    name = f"{number}-{photograph}"
    image.save(origin / name)
    return name


def report(ready_seconds: float, seconds: list[float]) -> None:
    """Print the results and the machine they were measured on; `seconds` is sorted."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    print(f"machine            {os.cpu_count()} cores, {cpu}, Python {platform.python_version()}")
    print(f"ready after        {ready_seconds:.1f} s, including the first deploy")
    print(f"POST to labels     {len(seconds)} new images, sequentially, warm")
    print(f"  median           {statistics.median(seconds):.2f} s")
    print(f"  90th percentile  {seconds[int(len(seconds) * 0.9)]:.2f} s")
    print(f"  slowest          {seconds[-1]:.2f} s")


if __name__ == "__main__":
    main()
