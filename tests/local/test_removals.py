"""A removal from S3 is never lost: not by failures, and not by an update of the stack."""

import contextlib
import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from chalicelib.aws.sqs_queue import BatchIncomplete
from chalicelib.model.image import Image as ImageOfModel
from infra import redrive, stacks, webhook_secrets
from infra.stacks import Stacks
from tests.helpers.bare_emulator import BareEmulator, bare_emulator
from tests.helpers.one_process import SECONDS, CountingServer, World, connect
from tests.helpers.stage_process import wait_for


@pytest.fixture(scope="module")
def server() -> Iterator[CountingServer]:
    server = CountingServer()
    yield server
    server.shutdown()


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareEmulator]:
    with bare_emulator(tmp_path_factory.mktemp("emulator")) as emulator:
        webhook_secrets.first(emulator.client("ssm"), "local")
        yield emulator


@pytest.fixture
def world(emulator: BareEmulator, server: CountingServer, monkeypatch: pytest.MonkeyPatch) -> World:
    connect(monkeypatch, emulator, server)
    world = World(emulator, server)
    forget_test_events(world)
    return world


def forget_test_events(world: World) -> None:
    """Process S3's test events, which every change of the bucket's notifications sends."""
    receive(world, world.settings.removals_queue_url, process=True)


def receive(world: World, url: str, *, process: bool) -> list[str]:
    """Receive what is visible in a queue, and have the function process it if so asked."""
    response = world.sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"], VisibilityTimeout=0
    )
    messages = response.get("Messages", [])
    if process and messages:
        records = [
            {
                "messageId": message["MessageId"],
                "body": message["Body"],
                "receiptHandle": message["ReceiptHandle"],
                "attributes": message["Attributes"],
            }
            for message in messages
        ]
        world.services.removals_queue.process({"Records": records}, world.services.removal.process)
        for message in messages:
            world.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [message["Body"] for message in messages]


def new_image() -> bytes:
    image = Image.effect_noise((96, 96), 64)
    output = io.BytesIO()
    image.save(output, "PNG")
    return output.getvalue()


def forgotten(world: World, image_id: str) -> None:
    def look() -> ImageOfModel | None:
        receive(world, world.settings.removals_queue_url, process=True)
        return world.services.catalog.find(image_id)

    wait_for(look, lambda image: image is None, SECONDS, "the image to be forgotten")


def test_a_removal_that_keeps_failing_is_a_dead_letter_and_a_redrive_forgets_the_image(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_id = world.from_arrival_to_delivery(new_image())
    world.services.store.delete(image_id)

    def fail(image_id: str) -> None:
        raise ConnectionError("DynamoDB cannot be reached.")

    url, dead_letters_url = (
        world.settings.removals_queue_url,
        world.settings.removals_dead_letters_url,
    )
    with monkeypatch.context() as patch:
        patch.setattr(world.services.removal, "forget", fail)
        # The backoff would take half an hour.
        patch.setattr("chalicelib.aws.sqs_queue.FIRST_PAUSE_SECONDS", 0)

        def is_dead() -> list[str]:
            with contextlib.suppress(BatchIncomplete):
                receive(world, url, process=True)
            return receive(world, dead_letters_url, process=False)

        (body,) = wait_for(is_dead, bool, SECONDS, "a dead letter")
    assert f"images/{image_id}" in body
    assert world.rows(image_id)

    assert redrive.redrive(world.sqs, "local", "removals") == 1
    forgotten(world, image_id)


def test_a_removal_is_noticed_after_an_update_of_the_buckets_stack(
    world: World, emulator: BareEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CloudFormation writes the bucket's notifications as a whole, and drops what others added."""
    image_id = world.from_arrival_to_delivery(new_image())
    for template in stacks.FOLDER.glob("*.yaml"):
        shutil.copy(template, tmp_path)
    changed = (tmp_path / "api.yaml").read_text()
    assert "ExpirationInDays: 15" in changed
    (tmp_path / "api.yaml").write_text(
        changed.replace("ExpirationInDays: 15", "ExpirationInDays: 16")
    )
    monkeypatch.setattr(stacks, "FOLDER", tmp_path)
    lines: list[str] = []
    Stacks(emulator.client("cloudformation"), "local", lines.append).deploy()
    assert "stack image-recognition-local-api: updated" in lines

    world.services.store.delete(image_id)
    forgotten(world, image_id)
