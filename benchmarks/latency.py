"""From POST to labels in GET, on a warm local stage of its own.

    python -m benchmarks.latency [--pictures 30]

Every picture posted is new to the stage: a bundled photograph with some pixels changed.
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
    """Serves files without a word."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=30)
    pictures = parser.parse_args().pictures
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
            seconds = [measure(stage, url, origin, n) for n in range(WARM_UP + pictures)]
        finally:
            stage.stop_if_running()
    report(ready_seconds, sorted(seconds[WARM_UP:]))


def measure(stage: StageProcess, url: str, origin: Path, number: int) -> float:
    """Seconds from sending the POST to reading a result in GET."""
    name = make_picture(origin, number)
    started = time.monotonic()
    response = stage.request("POST", "/images", json={"url": f"{url}/origin/{name}"})
    if response.status_code != 202:
        raise RuntimeError(f"POST answered {response.status_code}: {response.text}")
    image_id = response.json()["id"]
    while True:
        image = stage.request("GET", f"/images/{image_id}").json()
        if image["status"] != "PENDING":
            break
        time.sleep(POLL_SECONDS)
    seconds = time.monotonic() - started
    if image["status"] != "RECOGNIZED":
        raise RuntimeError(f"The picture was not recognized: {image}")
    return seconds


def make_picture(origin: Path, number: int) -> str:
    """A photograph that the stage has never seen."""
    photograph = PHOTOGRAPHS[number % len(PHOTOGRAPHS)]
    picture = Image.open(PROJECT / "localcloud" / "photographs" / photograph).convert("RGB")
    scatter = random.Random(number)  # noqa: S311 - the same pictures each time
    for _ in range(5):
        place = (scatter.randrange(picture.width), scatter.randrange(picture.height))
        picture.putpixel(place, (number % 256, 0, 0))
    name = f"{number}-{photograph}"
    picture.save(origin / name)
    return name


def report(ready_seconds: float, seconds: list[float]) -> None:
    """Print the figures and the machine."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    print(f"machine            {os.cpu_count()} cores, {cpu}, Python {platform.python_version()}")
    print(f"ready after        {ready_seconds:.1f} s, deployed from nothing")
    print(f"POST to labels     {len(seconds)} new pictures, one after the other, warm")
    print(f"  median           {statistics.median(seconds):.2f} s")
    print(f"  90th percentile  {seconds[int(len(seconds) * 0.9)]:.2f} s")
    print(f"  slowest          {seconds[-1]:.2f} s")


if __name__ == "__main__":
    main()
