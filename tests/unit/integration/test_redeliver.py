"""A delivery that is requested is made, whatever is cut off."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.aws.sqs_queue import Queue
from chalicelib.catalog.backlog import Backlog
from chalicelib.catalog.deliveries import new_delivery
from chalicelib.integration.redeliver import OverdueDeliveries, Redelivery
from chalicelib.model.errors import ImageNotFound, NoResultYet
from chalicelib.model.events import result_event_id
from chalicelib.model.image import DeliveryStatus
from tests.helpers.aws_faults import client_error, failing
from tests.helpers.images import IMAGE_ID, PENDING, RECOGNIZED, recognized
from tests.helpers.memory import MemoryCatalog

AGE = timedelta(hours=1)
LONG_AGO = datetime.now(UTC) - 2 * AGE


class World:
    """A recognized image and the integration queue."""

    def __init__(self, memory: MemoryCatalog) -> None:
        self.memory = memory
        memory.write(RECOGNIZED)
        self.sqs = memory.aws.client("sqs")
        url = memory.aws.queue_url
        self.queue = Queue(self.sqs, url, 3, memory.aws.dead_letters_url)
        self.redelivery = Redelivery(memory.catalog, memory.deliveries, self.sqs, url)
        self.overdue = OverdueDeliveries(
            memory.catalog,
            memory.deliveries,
            Backlog(memory.table),
            self.redelivery,
            self.queue,
            AGE,
            deliveries_per_second=3,
        )

    def messages(self) -> list[tuple[str, int]]:
        """The webhook id and the number of each delivery in the queue, whose messages go."""
        return list(self._receive())

    def _receive(self) -> Iterator[tuple[str, int]]:
        url = self.memory.aws.queue_url
        while messages := self.sqs.receive_message(QueueUrl=url).get("Messages"):
            for message in messages:
                event = json.loads(message["Body"])
                yield event["id"], event["data"]["delivery"]
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def statuses(self) -> list[str]:
        return [each.status.value for each in self.memory.catalog.get(IMAGE_ID).deliveries]


@pytest.fixture
def world(memory: MemoryCatalog) -> World:
    return World(memory)


WEBHOOK_ID = result_event_id(RECOGNIZED)


def test_a_requested_delivery_is_shown_and_queued(world: World) -> None:
    world.redelivery.request(IMAGE_ID)
    assert world.statuses() == ["DELIVERED", "PENDING"]
    assert world.messages() == [(WEBHOOK_ID, 2)]


def test_an_image_without_a_result_has_nothing_to_deliver(world: World) -> None:
    with pytest.raises(ImageNotFound):
        world.redelivery.request("f" * 32)
    world.memory.write(PENDING)
    with pytest.raises(NoResultYet):
        world.redelivery.request(IMAGE_ID)
    assert world.messages() == []


def test_a_delivery_whose_message_was_never_sent_is_found_and_sent(world: World) -> None:
    error = client_error("SendMessage", "ServiceUnavailable", 503)
    with failing(world.sqs, "SendMessage", error), pytest.raises(type(error)):
        world.redelivery.request(IMAGE_ID)
    assert world.statuses() == ["DELIVERED", "PENDING"]
    world.overdue.send_again(datetime.now(UTC))
    assert world.messages() == []  # it may still be on its way
    world.memory.deliveries.begin(IMAGE_ID, new_delivery(2, LONG_AGO))
    world.overdue.send_again(datetime.now(UTC))
    assert world.messages() == [(WEBHOOK_ID, 2)]
    world.overdue.send_again(datetime.now(UTC))
    assert world.messages() == []  # once per age


def test_a_delivery_is_overdue_from_its_next_attempt_on(world: World) -> None:
    waiting = new_delivery(2, LONG_AGO)
    world.memory.deliveries.begin(IMAGE_ID, waiting)
    later = datetime.now(UTC) + timedelta(hours=10)
    world.memory.deliveries.record(IMAGE_ID, replace(waiting, tries=9, next_try_at=later))
    world.overdue.send_again(datetime.now(UTC))
    assert world.messages() == []


def test_an_overdue_delivery_that_a_later_one_superseded_waits_no_more(world: World) -> None:
    world.memory.deliveries.begin(IMAGE_ID, new_delivery(2, LONG_AGO))
    world.memory.deliveries.begin(IMAGE_ID, new_delivery(3, datetime.now(UTC)))
    world.overdue.send_again(datetime.now(UTC))
    assert world.messages() == []
    item = world.memory.table.get(f"IMAGE#{IMAGE_ID}", "DELIVERY#000002")
    assert item is not None
    assert item["delivery_status"] == DeliveryStatus.SUPERSEDED
    assert "waiting_shard" not in item


@pytest.mark.parametrize(("waiting", "sent"), [(5400, 1), (5401, 0)])
def test_a_backlog_of_deliveries_that_takes_longer_than_half_the_age_is_not_repeated(
    world: World, monkeypatch: pytest.MonkeyPatch, waiting: int, sent: int
) -> None:
    world.memory.deliveries.begin(IMAGE_ID, new_delivery(2, LONG_AGO))
    monkeypatch.setattr(world.queue, "visible_messages", lambda: waiting)
    world.overdue.send_again(datetime.now(UTC))
    assert len(world.messages()) == sent


def test_a_delivery_of_a_removed_image_is_not_sent_again(world: World) -> None:
    world.memory.deliveries.begin(IMAGE_ID, new_delivery(2, LONG_AGO))
    world.memory.write(recognized(deliveries=()))
    world.memory.catalog.forget(world.memory.catalog.snapshot(IMAGE_ID))
    world.overdue.send_again(datetime.now(UTC))
    assert world.messages() == []


def test_an_overdue_delivery_that_fails_does_not_keep_the_others_from_being_sent(
    world: World,
) -> None:
    world.memory.deliveries.begin(IMAGE_ID, new_delivery(2, LONG_AGO))
    other = replace(RECOGNIZED, id="f" * 32)
    world.memory.write(other)
    world.memory.deliveries.begin(other.id, new_delivery(2, LONG_AGO))
    error = client_error("SendMessage", "ServiceUnavailable", 503)
    with failing(world.sqs, "SendMessage", error), pytest.raises(type(error)):
        world.overdue.send_again(datetime.now(UTC))
    assert len(world.messages()) == 1
