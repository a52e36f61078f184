"""The local Rekognition as a process, a client for it, and images to send to it."""

import contextlib
import http.client
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from PIL import Image

from localcloud.rekognition import weights

PROJECT = Path(__file__).parents[2]
PHOTOGRAPHS = PROJECT / "localcloud" / "photographs"
MODELS = PROJECT / ".localcloud" / "models"
READY_SECONDS = 60
STOP_SECONDS = 20


def start_server(*options: str, **variables: str) -> subprocess.Popen[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        **variables,
    }
    command = [sys.executable, "-u", "-m", "localcloud.rekognition", "--cache", str(MODELS)]
    return subprocess.Popen(
        [*command, *options],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ready_url(process: subprocess.Popen[str]) -> str:
    """The URL in the line that the server prints when it is ready."""
    assert process.stdout is not None
    watchdog = threading.Timer(READY_SECONDS, process.kill)
    watchdog.start()
    line = process.stdout.readline()
    watchdog.cancel()
    assert " serving on http://" in line, f"{line!r}, {process.communicate()}"
    return line.split(" serving on ")[1].strip()


@contextlib.contextmanager
def running_server(*options: str, **variables: str) -> Iterator[str]:
    """Start a server with all models, yield its URL, and stop it."""
    with running_process(*options, **variables) as (url, _):
        yield url


@contextlib.contextmanager
def running_process(*options: str, **variables: str) -> Iterator[tuple[str, int]]:
    """Like `running_server`, but yield the process's id too."""
    weights.set_up(MODELS, print)
    process = start_server("--port", "0", *options, **variables)
    try:
        url = ready_url(process)
        assert process.stderr is not None
        # Without a reader, the pipe would fill up and block the server.
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield url, process.pid
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def new_client(url: str) -> Any:
    """A boto3 client that validates nothing and does not retry, so that errors are the server's."""
    return boto3.client(
        "rekognition",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
        config=Config(
            parameter_validation=False, retries={"total_max_attempts": 1}, max_pool_connections=20
        ),
    )


def post(url: str, body: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
    """Send a raw request; return the status and the JSON body of the response."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
    connection.request("POST", "/", body, headers)
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def photograph(name: str) -> bytes:
    return (PHOTOGRAPHS / name).read_bytes()


def opened(name: str) -> Image.Image:
    return Image.open(PHOTOGRAPHS / name).convert("RGB")


def encoded(image: Image.Image, file_format: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def error_of(call: Any, **parameters: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    response = caught.value.response
    status: int = response["ResponseMetadata"]["HTTPStatusCode"]
    return status, response["Error"]["Code"], response["Error"]["Message"]
