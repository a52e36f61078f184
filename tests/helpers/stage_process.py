"""A local stage for tests: a copy of the project on free ports, run as `make run` runs it."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import boto3
import requests

from chalicelib.aws.dynamodb_table import from_item

PROJECT = Path(__file__).parents[2]
PARTS = ("app.py", "requirements.txt", "chalicelib", "infra", "localcloud", "examples")
START_SECONDS = 120
STOP_SECONDS = 120  # it removes the folders of all workers, on a machine that may be busy

Seen = TypeVar("Seen")


@dataclass
class StageProcess:
    """`python -m localcloud --serve-only` in its own folder."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    ready: dict[str, str] = field(default_factory=dict)

    def copy_project(self) -> None:
        """Copy what runs, link the installed emulator and models, and choose free ports."""
        self.folder.mkdir(parents=True)
        ignored = shutil.ignore_patterns("deployed", "deployments", "rendered-policies")
        for part in (*PARTS, ".chalice"):
            source = PROJECT / part
            if source.is_dir():
                shutil.copytree(source, self.folder / part, ignore=ignored)
            else:
                shutil.copy(source, self.folder / part)
        config_file = self.folder / ".chalice" / "config.json"
        config = json.loads(config_file.read_text())
        config["stages"]["local"]["environment_variables"] = {}  # they name the project's last run
        config_file.write_text(json.dumps(config, indent=2) + "\n")
        own = self.folder / ".localcloud"
        own.mkdir()
        for installed in ("emulator", "models"):
            (own / installed).symlink_to(PROJECT / ".localcloud" / installed)
        names = ("EMULATOR_PORT", "REKOGNITION_PORT", "PHOTOGRAPHS_PORT", "THIRD_PARTY_PORT")
        self.environment = dict(zip(names, free_ports(len(names)), strict=True)) | dict(
            self.environment
        )

    def start(self) -> None:
        """Start the stage and wait until it is ready; a failure shows its output."""
        ready_file = self.folder / ".localcloud" / "ready.json"
        output = self.folder / "output.txt"
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "localcloud", "--serve-only"],
                cwd=self.folder,
                env=self._environment(),
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        process = self.process
        wait_for(
            lambda: ready_file.exists() or process.poll() is not None,
            bool,
            START_SECONDS,
            "the local stage",
        )
        assert process.poll() is None, output.read_text()
        self.ready = json.loads(ready_file.read_text())

    def stop(self) -> int:
        """Stop the stage as Ctrl-C does, and return its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(STOP_SECONDS)

    def stop_if_running(self) -> None:
        """Stop the stage unless a test has done so or it never started."""
        if self.process is not None and self.process.poll() is None:
            self.stop()

    def log(self, server: str) -> str:
        """The log of a server of the stage, such as "rekognition"."""
        return (self.folder / ".localcloud" / "logs" / f"{server}.log").read_text()

    def client(self, service: str) -> Any:
        """A boto3 client for the emulator."""
        return boto3.client(
            service,
            endpoint_url=self.ready["aws_endpoint_url"],
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def request(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """Send a request to the API, with the stage's token unless `headers` has another."""
        headers = arguments.pop("headers", {})
        if self.ready["token"]:
            headers = {"Authorization": f"Bearer {self.ready['token']}"} | headers
        return requests.request(
            method, self.ready["url"] + path, headers=headers, timeout=60, **arguments
        )

    def recognized(self, image_id: str, deadline_seconds: float = 60) -> dict[str, Any]:
        """Wait until an image is no longer pending, and is searchable and counted; return it."""
        image: dict[str, Any] = wait_for(
            lambda: self.request("GET", f"/images/{image_id}").json(),
            lambda image: image["status"] != "PENDING",
            deadline_seconds,
            f"a result of image {image_id}",
        )
        wait_for(
            lambda: self.items_of(image_id),
            _is_indexed,
            deadline_seconds,
            f"image {image_id} to be indexed",
        )
        return image

    def items_of(self, image_id: str) -> dict[str, dict[str, Any]]:
        """The items of an image in the catalog, by their sort keys, in plain values."""
        found = self.client("dynamodb").query(
            TableName="image-recognition-local-catalog",
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": f"IMAGE#{image_id}"}},
            ConsistentRead=True,
        )["Items"]
        return {item["sk"]: item for item in map(from_item, found)}

    def reconcile(self) -> None:
        """Invoke `reconcile` as its schedule does every 15 minutes."""
        event = {
            "version": "0",
            "id": "1",
            "account": "0",
            "region": "us-east-1",
            "source": "aws.events",
            "detail-type": "Scheduled Event",
            "detail": {},
            "time": "2026-11-23T00:00:00Z",
            "resources": [],
        }
        self.client("lambda").invoke(
            FunctionName="image-recognition-local-reconcile", Payload=json.dumps(event).encode()
        )

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return {**kept, **self.environment}


def _is_indexed(items: dict[str, dict[str, Any]]) -> bool:
    """Whether the search index has followed all findings of an image."""
    calls = {
        f"{sort_key.removeprefix('FEATURE#')}@{item['lease']}"
        for sort_key, item in items.items()
        if sort_key.startswith("FEATURE#")
    }
    return calls <= set(items.get("SEARCH", {}).get("calls", {}))


def wait_for(
    look: Callable[[], Seen],
    is_there: Callable[[Seen], bool],
    deadline_seconds: float,
    what: str,
) -> Seen:
    """Call `look` until `is_there` accepts its value, and return that; fail at the deadline."""
    deadline = time.monotonic() + deadline_seconds
    while not is_there(seen := look()):
        assert time.monotonic() < deadline, f"waited {deadline_seconds} s for {what}; saw {seen!r}"
        time.sleep(0.05)
    return seen


def free_ports(count: int) -> list[str]:
    """Ports on which nothing listens, below the range from which the system assigns ports.

    A stage takes seconds to listen on them. Meanwhile, the system may assign ports to other tests.
    """
    ports: list[str] = []
    while len(ports) < count:
        port = random.randrange(20_000, 32_000)  # noqa: S311 - not a secret
        with socket.socket() as probe:
            if str(port) not in ports and probe.connect_ex(("127.0.0.1", port)) != 0:
                ports.append(str(port))
    return ports
