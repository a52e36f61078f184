"""Memory use of a fetch, measured in a separate process that fetches one body."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.servers import Script, image_response, keeps_sending, sends, serving

MEGABYTE = 1024 * 1024
ROOT = Path(__file__).parents[4]

MEASURE_FETCH = """
import json, re, sys
from pathlib import Path
from chalicelib.model.errors import FetchError
from chalicelib.intake.fetching.fetch import fetch
from chalicelib.intake.fetching.limits import FetchLimits, parse_allowed_origins

def peak():
    # Not getrusage's ru_maxrss, which starts with the parent process's peak.
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


def _small_image_then(script: Script) -> Script:
    scripts = iter([sends(image_response()), script])
    return lambda peer: next(scripts)(peer)


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="reads the peak from Linux's /proc"
)
@pytest.mark.parametrize(
    ("name", "script", "expected", "max_megabytes"),
    [
        ("25 MB", sends(image_response(bytes(25 * MEGABYTE))), 25 * MEGABYTE, 60),
        (
            "1 GB with a Content-Length",
            sends(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n", bytes(MEGABYTE)),
            "ImageFileTooLarge",
            5,
        ),
        (
            "1 GB without a Content-Length",
            keeps_sending(b"HTTP/1.1 200 OK\r\n\r\n", bytes(MEGABYTE)),
            "ImageFileTooLarge",
            40,
        ),
        (
            "200 MB in 200 kB of gzip",
            sends(image_response(gzip.compress(bytes(200 * MEGABYTE)), "Content-Encoding: gzip")),
            "ImageFileTooLarge",
            40,
        ),
        (
            "1 GB of headers",
            keeps_sending(b"HTTP/1.1 200 OK\r\nX: ", bytes(MEGABYTE)),
            "ResponseHeadersTooLarge",
            5,
        ),
    ],
)
def test_memory_does_not_grow_with_what_a_server_sends(
    name: str, script: Script, expected: object, max_megabytes: int
) -> None:
    with serving(_small_image_then(script)) as server:
        origin = "http://{}:{}".format(*server.address)
        output = subprocess.run(
            [sys.executable, "-c", MEASURE_FETCH, origin, "/small", "/large"],
            cwd=ROOT,
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
    outcome, megabytes = json.loads(output)
    print(f"{name}: {outcome}, {megabytes} MB more")  # noqa: T201 - shown with -rP

    assert outcome == expected
    assert megabytes <= max_megabytes
