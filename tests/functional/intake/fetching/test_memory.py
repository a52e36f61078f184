"""Memory, measured in a process of its own, that fetches one body and says what it took."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.servers import Script, goes_on, image_response, says, serving

MEGABYTE = 1024 * 1024
ROOT = Path(__file__).parents[4]

FETCH_AND_TELL = """
import json, re, sys
from pathlib import Path
from chalicelib.model.errors import FetchError
from chalicelib.intake.fetching.fetch import fetch
from chalicelib.intake.fetching.limits import FetchLimits, parse_allowed_origins

def peak():
    # Not getrusage's: that begins at what the process which started this one had.
    status = Path("/proc/self/status").read_text()
    return int(re.search("VmHWM:\\s+([0-9]+) kB", status)[1]) // 1024

origin, small, large = sys.argv[1:]
limits = FetchLimits(parse_allowed_origins(origin))
fetch(origin + small, limits)
before = peak()
try:
    outcome = len(fetch(origin + large, limits).content)
except FetchError as error:
    outcome = type(error).__name__
print(json.dumps([outcome, peak() - before]))
"""


def _first_small_then(script: Script) -> Script:
    scripts = iter([says(image_response()), script])
    return lambda peer: next(scripts)(peer)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="measured as Linux tells it")
@pytest.mark.parametrize(
    ("name", "script", "outcome", "most_megabytes"),
    [
        ("25 MB", says(image_response(bytes(25 * MEGABYTE))), 25 * MEGABYTE, 60),
        (
            "1 GB, told",
            says(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n", bytes(MEGABYTE)),
            "ImageFileTooLarge",
            5,
        ),
        (
            "1 GB, not told",
            goes_on(b"HTTP/1.1 200 OK\r\n\r\n", bytes(MEGABYTE)),
            "ImageFileTooLarge",
            40,
        ),
        (
            "200 MB in 200 kB of gzip",
            says(image_response(gzip.compress(bytes(200 * MEGABYTE)), "Content-Encoding: gzip")),
            "ImageFileTooLarge",
            40,
        ),
        (
            "1 GB of headers",
            goes_on(b"HTTP/1.1 200 OK\r\nX: ", bytes(MEGABYTE)),
            "ResponseHeadersTooLarge",
            5,
        ),
    ],
)
def test_memory_does_not_grow_with_what_a_server_sends(
    name: str, script: Script, outcome: object, most_megabytes: int
) -> None:
    with serving(_first_small_then(script)) as server:
        origin = "http://{}:{}".format(*server.address)
        output = subprocess.run(
            [sys.executable, "-c", FETCH_AND_TELL, origin, "/small", "/large"],
            cwd=ROOT,
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
    happened, megabytes = json.loads(output)
    print(f"{name}: {happened}, {megabytes} MB more")  # noqa: T201 - shown with -rP

    assert happened == outcome
    assert megabytes <= most_megabytes
