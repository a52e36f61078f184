"""Measures the size of the Lambda package, and cold starts of its functions as Lambda has them.

    python -m benchmarks.package [--runs 15]

The package is that of the last deploy (`make demo` creates one). It is unpacked to a folder that
nobody can write to. For each function, fresh processes import app.py and make what the function
needs, without clients of AWS. This is compared with `import boto3` alone, which stands for what
Lambda's runtime brings and any such function imports. Both are processor time up to the end of the
imports; the figures are the least of all runs, because other work on the machine only adds to it.
Exits with status 1 if a function takes more than GOAL times as long as boto3.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

PROJECT = Path(__file__).parents[1]
GOAL = 1.5

# boto3 and what it imports: all that Lambda's runtime has beside Python's own library.
RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")

# What each function uses of app.services when it is invoked.
NEEDS: Mapping[str, tuple[str, ...]] = {
    "api_handler": ("idempotent_requests", "intake", "catalog", "usage"),
    "authorize": ("tokens",),
    "take_in_images": ("intake_queue", "queued_images"),
    "recognize_images": ("recognition_queue", "recognition"),
    "index_findings": ("search_index",),
    "deliver_results": ("integration_queue", "delivery"),
    "forget_removed_image": ("removals_queue", "removal"),
    "reconcile": ("reconciliation",),
}

# Making a client reads service models for tens of milliseconds; that is AWS's, like the import.
_NO_CLIENTS = """
import boto3
class Client:
    def __getattr__(self, name):
        return self
boto3.client = lambda *_, **__: Client()
"""


@dataclass(frozen=True)
class ColdStarts:
    """A package unpacked to `folder`, a folder of what Lambda's runtime has, and the settings."""

    folder: Path
    runtime: Path
    settings: Mapping[str, str]

    def run(self, code: str, *, with_package: bool = True) -> str:
        """Run Python code in a new process as in a function; return what it prints."""
        folders = [self.folder, self.runtime] if with_package else [self.runtime]
        path = f"import sys; sys.path += {[str(folder) for folder in folders]!r}\n"
        return subprocess.run(
            [sys.executable, "-I", "-S", "-B", "-c", path + code],
            env={"PATH": os.environ["PATH"], "AWS_DEFAULT_REGION": "us-east-1", **self.settings},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout

    def milliseconds(self, code: str, *, with_package: bool = True) -> float:
        """The processor time that a new process has used when it has run some code."""
        code += "\nimport time; print(time.process_time())"
        return 1000 * float(self.run(code, with_package=with_package))


def code_of(function: str) -> str:
    """What a function imports and makes from its start until its first client is used."""
    return "\n".join(
        [_NO_CLIENTS, "import app", *(f"app.services.{need}" for need in NEEDS[function])]
    )


def last_package(project: Path) -> Path | None:
    """The package that Chalice built last, or None."""
    packages = (project / ".chalice" / "deployments").glob("*.zip")
    return max(packages, key=lambda package: package.stat().st_mtime, default=None)


@contextmanager
def cold_starts(project: Path, package: Path) -> Iterator[ColdStarts]:
    """A package, unpacked so that nobody can write to it."""
    config = json.loads((project / ".chalice" / "config.json").read_text())
    settings = config["stages"]["local"]["environment_variables"]
    with tempfile.TemporaryDirectory() as folder:
        unpacked, runtime = Path(folder, "task"), Path(folder, "runtime")
        with zipfile.ZipFile(package) as archive:
            archive.extractall(unpacked)
        runtime.mkdir()
        for name in RUNTIME:
            spec = find_spec(name)
            if spec is None or spec.origin is None:
                raise RuntimeError(f"{name} is not installed.")
            found = Path(spec.origin)
            is_package = found.name == "__init__.py"
            found = found.parent if is_package else found
            (runtime / found.name).symlink_to(found)
            if not is_package:  # its bytecode is not inside it
                (runtime / "__pycache__").symlink_to(found.with_name("__pycache__"))
        folders = [unpacked, *(path for path in unpacked.rglob("*") if path.is_dir())]
        for each in folders:
            each.chmod(0o555)
        try:
            yield ColdStarts(unpacked, runtime, settings)
        finally:
            for each in folders:
                each.chmod(0o755)


def print_sizes(package: Path) -> None:
    """Print the size of a package, and its six largest parts."""
    sizes: Counter[str] = Counter()
    with zipfile.ZipFile(package) as archive:
        entries = archive.infolist()
    for entry in entries:
        sizes[entry.filename.split("/")[0]] += entry.compress_size
        if entry.filename.endswith(".pyc"):
            sizes["bytecode, of all parts"] += entry.compress_size
    unpacked = sum(entry.file_size for entry in entries)
    print(f"package   {package.stat().st_size / 1e6:.1f} MB, {unpacked / 1e6:.1f} MB unpacked")
    for name, size in sizes.most_common(6):
        print(f"          {size / 1e6:5.2f} MB  {name}")


def least_times(starts: ColdStarts, runs: int) -> tuple[float, dict[str, float]]:
    """The least milliseconds of boto3 alone, and those of each function."""
    alone, times = [], {function: [1e9] for function in NEEDS}
    for _ in range(runs):  # in turns, so that other work on the machine hits all alike
        alone.append(starts.milliseconds("import boto3", with_package=False))
        for function, found in times.items():
            found.append(starts.milliseconds(code_of(function)))
    return min(alone), {function: min(found) for function, found in times.items()}


def main() -> int:
    """Measure, print the results, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.package")
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    package = last_package(PROJECT)
    if package is None:
        print("No package has been built yet. Run `make demo` first.", file=sys.stderr)
        return 1
    print_sizes(package)
    with cold_starts(PROJECT, package) as starts:
        alone, times = least_times(starts, runs)
    print(f"\n| cold start, least of {runs} | ms | times boto3 |\n| --- | --- | --- |")
    print(f"| import boto3 | {alone:.0f} | 1 |")
    for function, time in times.items():
        print(f"| {function} | {time:.0f} | {time / alone:.2f} |")
    slow = [function for function, time in times.items() if time > GOAL * alone]
    if slow:
        print(f"Over {GOAL} times boto3: {', '.join(slow)}", file=sys.stderr)
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
