from dataclasses import replace
from datetime import UTC, datetime

import pytest

from chalicelib.catalog.deliveries import new_delivery
from chalicelib.integration import xml_document
from chalicelib.integration.deliver import DeliveryFailed, DeliveryRefused, ResultDelivery
from chalicelib.integration.retry_schedule import RetrySchedule
from chalicelib.integration.third_party import Attempt, AttemptOutcome
from chalicelib.model.events import ResultEvent, result_event_id
from chalicelib.model.image import Delivery, DeliveryStatus, Image
from tests.helpers.fakes import FakeThirdParty
from tests.helpers.images import CREATED_AT, IMAGE_ID, RECOGNIZED, recognized
from tests.helpers.memory import MemoryCatalog

WEBHOOK_ID = result_event_id(RECOGNIZED)
EVENT = ResultEvent(id=WEBHOOK_ID, image_id=IMAGE_ID)
AGAIN = ResultEvent(id=WEBHOOK_ID, image_id=IMAGE_ID, delivery=2)
DELIVERED = Attempt(AttemptOutcome.DELIVERED, status_code=204)
DOWN = Attempt(AttemptOutcome.TRY_AGAIN, "HTTP status 503", 503)
BUSY = Attempt(AttemptOutcome.TRY_AGAIN, "HTTP status 429", 429, retry_after_seconds=600)
REFUSED = Attempt(AttemptOutcome.REFUSED, "HTTP status 400", 400)
WITHHELD = Attempt(AttemptOutcome.WITHHELD, "held back")


FIRST = Delivery(DeliveryStatus.PENDING, tries=0, number=1, requested_at=CREATED_AT)
WAITING = recognized(deliveries=(FIRST,))


class World:
    """A recognized image that was not delivered, and a third party."""

    def __init__(self, memory: MemoryCatalog, *attempts: Attempt | Exception) -> None:
        self.memory = memory
        self.catalog = memory.catalog
        memory.write(WAITING)
        self.third_party = FakeThirdParty(list(attempts))

    def deliver(
        self, event: ResultEvent = EVENT, *, receive_count: int = 1, last_attempt: bool = False
    ) -> None:
        ResultDelivery(
            self.catalog,
            self.memory.deliveries,
            self.third_party,  # type: ignore[arg-type]  # a fake
            RetrySchedule((5, 30, 120)),
        ).deliver(event, receive_count=receive_count, last_attempt=last_attempt)

    @property
    def delivery(self) -> Delivery:
        return self.catalog.get(IMAGE_ID).deliveries[-1]


def test_a_delivered_result_is_noted_and_not_sent_again(memory: MemoryCatalog) -> None:
    world = World(memory, DELIVERED)
    world.deliver()
    world.deliver()
    assert (world.delivery.status, world.delivery.tries) == (DeliveryStatus.DELIVERED, 1)
    assert (world.delivery.status_code, world.delivery.reason) == (204, None)
    assert world.third_party.webhook_ids == [WEBHOOK_ID]


def test_without_a_third_party_the_delivery_shows_so_and_can_be_made_later(
    memory: MemoryCatalog,
) -> None:
    world = World(memory, DELIVERED)
    nobody = ResultDelivery(world.catalog, memory.deliveries, None, RetrySchedule((5,)))
    nobody.deliver(EVENT, receive_count=1, last_attempt=False)
    assert (world.delivery.status, world.delivery.tries) == (DeliveryStatus.NOT_CONFIGURED, 0)
    assert world.delivery.reason is not None
    assert "THIRD_PARTY_URL" in world.delivery.reason
    world.deliver()
    assert world.delivery.status is DeliveryStatus.DELIVERED


def test_a_third_party_that_is_down_is_tried_again_under_the_same_id(memory: MemoryCatalog) -> None:
    world = World(memory, DOWN, DELIVERED)
    with pytest.raises(DeliveryFailed, match="503"):
        world.deliver()
    assert world.delivery.status is DeliveryStatus.PENDING
    world.deliver()
    assert (world.delivery.status, world.delivery.tries) == (DeliveryStatus.DELIVERED, 2)
    assert world.third_party.webhook_ids == [WEBHOOK_ID, WEBHOOK_ID]


def test_pauses_grow_and_the_image_shows_when_the_next_try_comes(memory: MemoryCatalog) -> None:
    pauses = []
    for receive_count in (1, 2, 3):
        world = World(memory, DOWN)
        with pytest.raises(DeliveryFailed) as caught:
            world.deliver(receive_count=receive_count)
        pauses.append(caught.value.pause_seconds)
        shown = world.delivery
        assert shown.next_try_at is not None
        assert shown.last_tried_at is not None
        assert (shown.next_try_at - shown.last_tried_at).total_seconds() == pytest.approx(
            pauses[-1], abs=1
        )
    assert all(
        0.8 * expected <= pause <= 1.2 * expected
        for pause, expected in zip(pauses, (5, 30, 120), strict=True)
    )


def test_a_wish_to_be_left_alone_for_a_while_is_respected(memory: MemoryCatalog) -> None:
    world = World(memory, BUSY)
    with pytest.raises(DeliveryFailed) as caught:
        world.deliver()
    assert caught.value.pause_seconds >= 600


def test_at_the_last_attempt_the_delivery_failed_and_the_message_goes_to_the_dead_letters(
    memory: MemoryCatalog,
) -> None:
    world = World(memory, DOWN)
    with pytest.raises(DeliveryFailed) as caught:
        world.deliver(last_attempt=True)
    assert caught.value.pause_seconds == 0
    assert world.delivery.status is DeliveryStatus.FAILED
    assert (world.delivery.status_code, world.delivery.reason) == (503, "HTTP status 503")
    assert world.delivery.next_try_at is None


def test_a_refusal_is_final_at_once_and_a_dead_letter(memory: MemoryCatalog) -> None:
    world = World(memory, REFUSED)
    with pytest.raises(DeliveryRefused):
        world.deliver()
    assert (world.delivery.status, world.delivery.status_code) == (DeliveryStatus.FAILED, 400)


def test_what_is_held_back_counts_as_no_try_and_comes_again(memory: MemoryCatalog) -> None:
    world = World(memory, WITHHELD)
    with pytest.raises(DeliveryFailed) as caught:
        world.deliver(receive_count=2)
    pause = caught.value.pause_seconds
    assert pause >= 24
    shown = world.delivery
    assert shown.next_try_at is not None
    assert (shown.next_try_at - datetime.now(UTC)).total_seconds() == pytest.approx(pause, abs=5)
    assert replace(shown, next_try_at=None) == FIRST


def test_without_a_secret_nothing_is_sent_and_the_last_attempt_shows_why(
    memory: MemoryCatalog,
) -> None:
    world = World(memory, PermissionError("no secret"))
    with pytest.raises(DeliveryFailed):
        world.deliver(last_attempt=True)
    assert world.delivery.status is DeliveryStatus.FAILED
    assert world.delivery.reason == "not sent: PermissionError"


def test_an_image_without_a_document_is_never_sent_and_fails_at_once(
    memory: MemoryCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def document(image: Image) -> bytes:
        raise xml_document.NoDocument("nan is no number")

    monkeypatch.setattr(xml_document, "document", document)
    world = World(memory)
    with pytest.raises(DeliveryRefused):
        world.deliver()
    assert world.delivery.status is DeliveryStatus.FAILED
    assert world.third_party.webhook_ids == []


@pytest.mark.parametrize(("answer", "error"), [(DOWN, DeliveryFailed), (REFUSED, DeliveryRefused)])
def test_a_message_that_is_put_back_from_the_dead_letter_queue_is_sent_again(
    memory: MemoryCatalog, answer: Attempt, error: type[Exception]
) -> None:
    world = World(memory, answer, WITHHELD, DELIVERED)
    with pytest.raises(error):
        world.deliver(last_attempt=True)
    with pytest.raises(DeliveryFailed):
        world.deliver()
    assert world.delivery.next_try_at is not None
    assert world.delivery.status == "PENDING"
    world.deliver()
    assert world.delivery.status is DeliveryStatus.DELIVERED


def test_a_delivery_that_was_asked_for_is_made_although_there_was_one(
    memory: MemoryCatalog,
) -> None:
    world = World(memory, DELIVERED, DELIVERED)
    world.deliver()
    memory.deliveries.begin(IMAGE_ID, new_delivery(2, CREATED_AT))
    world.deliver(AGAIN)
    assert (world.delivery.number, world.delivery.tries) == (2, 1)
    world.deliver(AGAIN)
    assert world.third_party.webhook_ids == [WEBHOOK_ID, WEBHOOK_ID]


def test_a_delivery_for_which_a_later_one_was_begun_is_left_and_waits_no_more(
    memory: MemoryCatalog,
) -> None:
    world = World(memory)
    memory.deliveries.begin(IMAGE_ID, new_delivery(2, CREATED_AT))
    world.deliver()
    assert world.third_party.webhook_ids == []
    assert world.catalog.get(IMAGE_ID).deliveries[0].status is DeliveryStatus.SUPERSEDED
    item = memory.table.get(f"IMAGE#{IMAGE_ID}", "DELIVERY#000001")
    assert item is not None
    assert "waiting_shard" not in item


def test_a_delivery_of_an_earlier_result_is_left(memory: MemoryCatalog) -> None:
    world = World(memory)
    world.deliver(replace(EVENT, id="msg_of_an_earlier_result"))
    assert world.third_party.webhook_ids == []


def test_an_image_that_was_removed_is_not_delivered(memory: MemoryCatalog) -> None:
    world = World(memory)
    world.catalog.forget(world.catalog.snapshot(IMAGE_ID))
    world.deliver()
    assert world.third_party.webhook_ids == []
