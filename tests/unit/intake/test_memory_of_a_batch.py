"""Ten images at once fit into the memory of the function that takes them in."""

import json
import resource
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[3]
CONFIG = json.loads((PROJECT / ".chalice" / "config.json").read_text())
MEMORY_BYTES = CONFIG["lambda_functions"]["take_in_images"]["lambda_memory_size"] * 1024 * 1024


def test_a_batch_with_two_images_of_100_megapixels_fits_into_the_function() -> None:
    def with_the_functions_memory() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))

    run = subprocess.run(
        [sys.executable, "-m", "tests.helpers.intake_batch"],
        cwd=PROJECT,
        preexec_fn=with_the_functions_memory,
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert run.returncode == 0, run.stderr[-3_000:]
    batch = json.loads(run.stdout.splitlines()[-1])
    assert batch["statuses"] == ["STORED"] * 10, batch["messages"]
    assert batch["own_bytes"] + batch["child_bytes"] < 0.75 * MEMORY_BYTES, batch
