"""The emulator with a stage's resources but not its functions; tests call the use cases."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from infra.deploy import settings_of
from infra.stacks import Stacks
from localcloud.servers import Server
from tests.helpers.stage_process import PROJECT, free_ports

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@dataclass(frozen=True)
class BareEmulator:
    """The emulator's URL, and the environment variables that the functions would have."""

    url: str
    variables: dict[str, str]

    def client(self, service: str) -> Any:
        """A boto3 client for the emulator."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


@contextmanager
def bare_emulator(folder: Path) -> Iterator[BareEmulator]:
    """The emulator on a free port, with the stage's three stacks created."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    server = Server(
        "emulator",
        [
            PROJECT / ".localcloud" / "emulator" / "bin" / "python",
            PROJECT / "localcloud" / "ministack_with_gaps_filled.py",
        ],
        ready_url=f"{url}/_ministack/health",
        log=folder / "emulator.log",
        environment={
            "PATH": os.environ["PATH"],
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "GATEWAY_PORT": port,
            "MINISTACK_REGION": "us-east-1",
            "TMPDIR": str(folder),
        },
        folder=folder,
    )
    try:
        server.start()
        bare = BareEmulator(url, {})
        outputs = Stacks(bare.client("cloudformation"), "local", lambda _: None).deploy()
        bare.variables.update(settings_of(outputs))
        yield bare
    finally:
        server.stop()
