"""Measures the latency of each local Rekognition operation, and the memory it needs.

    python -m benchmarks.rekognition [--repetitions 10]

Sends requests through boto3, sequentially, with the photograph of the astronaut (512 x 512 pixels,
with a face and some text). Prints Markdown.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.helpers.rekognition_process import new_client, photograph, running_process


def operations(client: Any) -> dict[str, Callable[[], object]]:
    """The measured calls, by name."""
    image = {"Bytes": photograph("astronaut.png")}
    other = {"Bytes": photograph("cameraman-grey.png")}
    both = ["GENERAL_LABELS", "IMAGE_PROPERTIES"]
    everything = ["ALL"]
    client.create_collection(CollectionId="measured")
    return {
        "DetectLabels": lambda: client.detect_labels(Image=image),
        "DetectLabels with properties": lambda: client.detect_labels(Image=image, Features=both),
        "DetectText": lambda: client.detect_text(Image=image),
        "DetectFaces": lambda: client.detect_faces(Image=image),
        "DetectFaces, ALL": lambda: client.detect_faces(Image=image, Attributes=everything),
        "DetectModerationLabels": lambda: client.detect_moderation_labels(Image=image),
        "CompareFaces": lambda: client.compare_faces(SourceImage=image, TargetImage=other),
        "IndexFaces": lambda: client.index_faces(CollectionId="measured", Image=image),
        "SearchFacesByImage": lambda: client.search_faces_by_image(
            CollectionId="measured", Image=image
        ),
    }


def resident_megabytes(process_id: int, field: str = "VmRSS") -> int:
    """The current (VmRSS) or peak (VmHWM) memory of a process in MiB, from Linux's /proc."""
    status = Path(f"/proc/{process_id}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith(field + ":"))
    return int(line.split()[1]) // 1024


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rekognition")
    parser.add_argument("--repetitions", type=int, default=10)
    repetitions = parser.parse_args().repetitions
    started = time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_process("--collections", f"{folder}/collections.sqlite") as (url, process_id),
    ):
        print(f"Ready {time.perf_counter() - started:.1f} s after the start.\n")
        report(process_id, operations(new_client(url)), repetitions)


def report(process_id: int, calls: dict[str, Callable[[], object]], repetitions: int) -> None:
    """Print a table of latencies in milliseconds and the memory after each operation."""
    print("| operation | first | median | memory afterward |")
    print("| --- | --- | --- | --- |")
    for name, call in calls.items():
        milliseconds = []
        for _ in range(repetitions + 1):
            started = time.perf_counter()
            call()
            milliseconds.append(1000 * (time.perf_counter() - started))
        first, median = milliseconds[0], statistics.median(milliseconds[1:])
        megabytes = resident_megabytes(process_id)
        print(f"| {name} | {first:.0f} ms | {median:.0f} ms | {megabytes} MB |")
    print(f"\nPeak memory: {resident_megabytes(process_id, 'VmHWM')} MB.")


if __name__ == "__main__":
    main()
