"""Measures the size of the Lambda package and the time a new process takes to import the app.

    python -m benchmarks.package [--runs 15]

Alternating runs compare the import with `import chalice, boto3, requests`, which any such app
needs. The package is that of the last deploy (`make demo` creates one).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import zipfile
from collections import Counter
from pathlib import Path

PROJECT = Path(__file__).parents[1]
BASE = "import chalice, boto3, requests"
APP = "import app"


def main() -> None:
    """Measure and print the results."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    print_sizes()
    print_import_time(runs)


def print_sizes() -> None:
    """Print the size of the newest package that Chalice built, and its six largest parts."""
    packages = sorted(
        (PROJECT / ".chalice" / "deployments").glob("*.zip"),
        key=lambda package: package.stat().st_mtime,
    )
    if not packages:
        print("No package has been built yet. Run `make demo` first.")
        return
    sizes: Counter[str] = Counter()
    with zipfile.ZipFile(packages[-1]) as package:
        unpacked = sum(entry.file_size for entry in package.infolist())
        for entry in package.infolist():
            sizes[entry.filename.split("/")[0]] += entry.compress_size
    print(f"package   {packages[-1].stat().st_size / 1e6:.1f} MB, {unpacked / 1e6:.1f} MB unpacked")
    for name, size in sizes.most_common(6):
        print(f"          {size / 1e6:5.2f} MB  {name}")


def print_import_time(runs: int) -> None:
    """Print the median import times and the median ratio over the pairs of runs."""
    config = json.loads((PROJECT / ".chalice" / "config.json").read_text())
    environment = {
        **os.environ,
        **config["stages"]["local"]["environment_variables"],
        "AWS_DEFAULT_REGION": "us-east-1",
        "PYTHONDONTWRITEBYTECODE": "",  # the first run compiles both to bytecode
    }
    seconds_of(APP, environment)
    pairs = [(seconds_of(BASE, environment), seconds_of(APP, environment)) for _ in range(runs)]
    base = statistics.median(pair[0] for pair in pairs)
    app = statistics.median(pair[1] for pair in pairs)
    ratio = statistics.median(pair[1] / pair[0] for pair in pairs)
    print(f"import    {BASE.removeprefix('import ')}: {base:.3f} s; app: {app:.3f} s")
    print(f"          ratio {ratio:.2f}, median of {runs} pairs (budget: at most 1.25)")


def seconds_of(statement: str, environment: dict[str, str]) -> float:
    """The seconds a new interpreter takes to run a statement."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True, env=environment, cwd=PROJECT)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
