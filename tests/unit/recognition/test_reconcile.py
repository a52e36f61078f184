"""What was lost is found: oldest first, bounded, in both directions, and never a mere backlog."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.aws.sqs_queue import Queue
from chalicelib.catalog.backlog import Backlog
from chalicelib.catalog.forget import ImageRemoval
from chalicelib.catalog.items import tombstone_values
from chalicelib.catalog.labels import LabelCounts
from chalicelib.catalog.model_versions import ModelVersions
from chalicelib.catalog.pages import CatalogPages
from chalicelib.catalog.search_index import SearchIndex
from chalicelib.catalog.spending_limit import SpendingLimit
from chalicelib.catalog.usage import Usage
from chalicelib.model.findings import Feature
from chalicelib.model.image import Image, Status
from chalicelib.recognition import reconcile
from chalicelib.recognition.recognition_requests import RecognitionRequests
from chalicelib.recognition.reconcile import Reconciliation, ReconciliationIncomplete
from tests.helpers.aws_faults import client_error, failing
from tests.helpers.images import RECOGNIZED, state
from tests.helpers.memory import MemoryCatalog

AGE = timedelta(hours=1)
IMAGES_PER_SECOND = 5


class World:
    """A catalog, a bucket and a queue that may disagree."""

    def __init__(self, memory: MemoryCatalog, age: timedelta = AGE) -> None:
        self.memory = memory
        self.sqs = memory.aws.client("sqs")
        pages = CatalogPages(memory.aws.client("dynamodb"), memory.table.name)
        versions = ModelVersions(memory.table)
        usage = Usage(memory.table)
        url = memory.aws.queue_url
        no_limit = SpendingLimit(usage, {}, 0, 0)
        requests = RecognitionRequests(
            memory.catalog, pages, usage, versions, self.sqs, url, no_limit
        )
        self.queue = Queue(self.sqs, url, 3, memory.aws.dead_letters_url)
        self.reconciliation = Reconciliation(
            memory.store,
            memory.table,
            memory.catalog,
            pages,
            Backlog(memory.table),
            SearchIndex(memory.table, versions),
            requests,
            self.queue,
            age,
            IMAGES_PER_SECOND,
        )

    def waiting(self, number: int, since: timedelta, *, is_stored: bool = True) -> str:
        """An image that has been PENDING for a while."""
        image_id = f"{number:032x}"
        requested_at = datetime.now(UTC) - since
        feature = replace(state(Feature.LABELS, Status.PENDING), requested_at=requested_at)
        image = Image(image_id, Status.PENDING, requested_at, features=(feature,))
        self.memory.write(image)
        if is_stored:
            self.memory.put_object(image_id)
        return image_id

    def requeued(self) -> list[str]:
        """The images in the queue's messages, which are deleted."""
        return list(self._receive())

    def _receive(self) -> Iterator[str]:
        url = self.memory.aws.queue_url
        while messages := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in messages:
                yield json.loads(message["Body"])["recognize"]
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


@pytest.fixture
def world(memory: MemoryCatalog) -> World:
    return World(memory)


def test_images_that_wait_for_longer_than_the_age_are_requeued_once_per_age(world: World) -> None:
    old = world.waiting(1, 2 * AGE)
    world.waiting(2, AGE / 2)
    world.reconciliation.run()
    assert world.requeued() == [old]
    world.reconciliation.run()
    assert world.requeued() == []


def test_the_oldest_come_first_and_the_others_in_the_next_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "MAX_WAITING_IMAGES", 3)
    # One shard, by the first digit of the id; the images with higher numbers are older.
    ids = [world.waiting(number, 2 * AGE + number * AGE) for number in range(8)]
    runs = []
    for _ in range(3):
        world.reconciliation.run()
        runs.append(set(world.requeued()))
    assert runs == [set(ids[5:]), set(ids[2:5]), set(ids[:2])]


def test_a_backlog_that_takes_longer_than_the_age_is_not_repeated(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.waiting(1, 2 * AGE)
    most = int(IMAGES_PER_SECOND * AGE.total_seconds() / 2)
    monkeypatch.setattr(world.queue, "visible_messages", lambda: most + 1)
    world.reconciliation.run()
    assert world.requeued() == []
    monkeypatch.setattr(world.queue, "visible_messages", lambda: most)
    world.reconciliation.run()
    assert len(world.requeued()) == 1


def test_visible_messages_are_those_that_wait(world: World) -> None:
    assert world.queue.visible_messages() == 0
    world.sqs.send_message(QueueUrl=world.memory.aws.queue_url, MessageBody="{}")
    assert world.queue.visible_messages() == 1


def test_a_waiting_image_that_is_not_stored_is_forgotten(world: World) -> None:
    image_id = world.waiting(1, 2 * AGE, is_stored=False)
    world.reconciliation.run()
    assert world.requeued() == []
    assert world.memory.catalog.find(image_id) is None


def test_a_stored_image_that_is_not_in_the_catalog_is_queued(memory: MemoryCatalog) -> None:
    world = World(memory, age=timedelta(0))
    memory.put_object("a" * 32)
    world.reconciliation.run()
    assert world.requeued() == ["a" * 32]


def test_an_image_whose_removal_was_lost_is_forgotten(world: World) -> None:
    world.memory.write(RECOGNIZED)
    stored = replace(RECOGNIZED, id="1" + RECOGNIZED.id[1:])
    world.memory.write(stored)
    world.memory.put_object(stored.id)
    world.reconciliation.run()
    assert world.memory.catalog.find(RECOGNIZED.id) is None
    assert world.memory.catalog.find(stored.id) is not None


def test_the_pass_over_the_catalog_continues_where_the_last_run_ended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "MAX_CHECKED_IMAGES", 2)
    images = [
        replace(
            RECOGNIZED,
            id=f"{number:032x}",
            created_at=RECOGNIZED.created_at + timedelta(seconds=number),
        )
        for number in range(5)
    ]
    for image in images:
        world.memory.write(image)
    left = []
    for _ in range(3):
        world.reconciliation.run()
        left.append([each.id for each in images if world.memory.catalog.find(each.id)])
    assert left == [[each.id for each in images[2:]], [images[4].id], []]


def test_an_index_that_differs_from_the_findings_is_mended(world: World) -> None:
    world.memory.write(RECOGNIZED)
    world.memory.put_object(RECOGNIZED.id)
    labels = world.memory.table.get(f"IMAGE#{RECOGNIZED.id}", "FEATURE#LABELS")
    assert labels is not None
    world.memory.table.put(labels | {"created_at": "2026-11-23T01:02:03.456789Z"})
    world.reconciliation.run()
    index = world.memory.table.get(f"IMAGE#{RECOGNIZED.id}", "SEARCH")
    assert index is not None
    assert set(index["labels"]) == {"Cat", "Coffee Cup"}


@pytest.mark.parametrize("is_recent", [True, False])
def test_what_a_removed_image_left_is_deleted_after_every_lease_has_ended(
    memory: MemoryCatalog, is_recent: bool
) -> None:
    world = World(memory, age=timedelta(0))
    memory.write(RECOGNIZED)
    assert ImageRemoval(memory.store, memory.catalog).forget(RECOGNIZED.id)
    late = memory.table.get(f"IMAGE#{RECOGNIZED.id}", "IMAGE")
    assert late is not None
    removed_at = datetime.now(UTC) - timedelta(minutes=1 if is_recent else 11)
    tombstone = tombstone_values(RECOGNIZED.id, int(late["revision"]), removed_at)
    memory.table.put(tombstone)
    memory.table.put({"pk": f"IMAGE#{RECOGNIZED.id}", "sk": "FEATURE#FACES", "findings": []})
    world.reconciliation.run()
    left = memory.catalog.snapshot(RECOGNIZED.id).sort_keys
    assert left == (("FEATURE#FACES", "IMAGE") if is_recent else ())


def test_a_removed_image_that_is_stored_again_is_queued(memory: MemoryCatalog) -> None:
    world = World(memory, age=timedelta(0))
    memory.write(RECOGNIZED)
    ImageRemoval(memory.store, memory.catalog).forget(RECOGNIZED.id)
    memory.put_object(RECOGNIZED.id)
    world.reconciliation.run()
    assert RECOGNIZED.id in world.requeued()


def test_a_part_that_fails_does_not_keep_the_others_from_their_work(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.memory.write(RECOGNIZED)
    world.waiting(1, 2 * AGE)
    sqs: Any = world.sqs
    with (
        failing(sqs, "GetQueueAttributes", client_error("GetQueueAttributes", "Unavailable", 500)),
        pytest.raises(ReconciliationIncomplete, match="requeue_waiting"),
    ):
        world.reconciliation.run()
    assert world.memory.catalog.find(RECOGNIZED.id) is None


def test_another_part_that_fails_is_told_and_keeps_no_part_of_ours_from_its_work(
    world: World,
) -> None:
    old = world.waiting(1, 2 * AGE)

    def fail(_now: datetime) -> None:
        raise ConnectionError

    with pytest.raises(ReconciliationIncomplete, match="fail"):
        world.reconciliation.run(fail)
    assert world.requeued() == [old]


def test_a_removal_that_the_stream_has_lost_is_taken_off_the_counts_at_the_burial(
    memory: MemoryCatalog,
) -> None:
    world = World(memory, age=timedelta(0))
    memory.write(RECOGNIZED)
    memory.put_object(RECOGNIZED.id)
    world.reconciliation.run()  # indexes it
    counts = LabelCounts(memory.table)
    assert [each.name for each in counts.page("", 10, None).labels] == ["Cat", "Coffee Cup"]
    memory.store.delete(RECOGNIZED.id)
    assert ImageRemoval(memory.store, memory.catalog).forget(RECOGNIZED.id)
    removed_at = datetime.now(UTC) - timedelta(minutes=11)
    revision = memory.catalog.snapshot(RECOGNIZED.id).revision
    assert revision is not None
    memory.table.put(tombstone_values(RECOGNIZED.id, revision, removed_at))
    world.reconciliation.run()
    assert counts.page("", 10, None).labels == ()
    assert memory.catalog.snapshot(RECOGNIZED.id).sort_keys == ()
