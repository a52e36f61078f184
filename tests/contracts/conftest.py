"""Every contract test runs twice: on AWS in memory, which unit tests use, and on the emulator."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from tests.helpers.bare_emulator import BareEmulator, bare_emulator
from tests.helpers.memory import MemoryAws, create_queues, create_table, memory_aws
from tests.helpers.table_stream import EmulatorStream, TableStream


@dataclass(frozen=True)
class EmulatorAws(MemoryAws):
    """The AWS resources of one test, on the emulator."""

    emulator: BareEmulator

    def client(self, service: str) -> Any:
        return self.emulator.client(service)

    def stream(self) -> TableStream:
        return EmulatorStream(
            self.client("dynamodb"), self.client("dynamodbstreams"), self.table_name
        )


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareEmulator]:
    with bare_emulator(tmp_path_factory.mktemp("emulator")) as emulator:
        yield emulator


@pytest.fixture(params=["memory", "emulator"])
def aws(request: pytest.FixtureRequest) -> Iterator[MemoryAws]:
    """AWS with resources that no other test uses."""
    if request.param == "memory":
        with memory_aws() as aws:
            yield aws
        return
    emulator: BareEmulator = request.getfixturevalue("emulator")
    name = f"contract-{uuid4().hex}"
    emulator.client("s3").create_bucket(Bucket=name)
    create_table(emulator.client("dynamodb"), name)
    queue_url, dead_letters_url = create_queues(emulator.client("sqs"), name, 3)
    yield EmulatorAws(name, name, queue_url, dead_letters_url, 3, emulator)
