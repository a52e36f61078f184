import pytest

from chalicelib.delivery import DeliveryFailed, ResultDelivery
from chalicelib.events import ResultEvent
from chalicelib.model import Delivery, DeliveryStatus
from chalicelib.third_party import Answer, Outcome
from tests.unit.fakes import FakeCatalog, FakeThirdParty
from tests.unit.images import IMAGE_ID, recognized

EVENT = ResultEvent(id="msg_1", image_id=IMAGE_ID)
DELIVERED = Answer(Outcome.DELIVERED)
DOWN = Answer(Outcome.TRY_AGAIN, "HTTP status 503")
REFUSED = Answer(Outcome.REFUSED, "HTTP status 400")


class World:
    """A recognized image that was not delivered, and a third party."""

    def __init__(self, *answers: Answer) -> None:
        self.catalog = FakeCatalog({IMAGE_ID: recognized(delivery=None)})
        self.third_party = FakeThirdParty(list(answers))

    def deliver(self, *, last_try: bool = False) -> None:
        ResultDelivery(
            self.catalog,  # type: ignore[arg-type]  # works in memory
            self.third_party,  # type: ignore[arg-type]
        ).deliver(EVENT, last_try=last_try)

    @property
    def delivery(self) -> Delivery | None:
        return self.catalog.images[IMAGE_ID].delivery


def test_a_delivered_result_is_noted_and_not_sent_again() -> None:
    world = World(DELIVERED)
    world.deliver()
    world.deliver()
    assert world.delivery is not None
    assert (world.delivery.status, world.delivery.tries) == (DeliveryStatus.DELIVERED, 1)
    assert world.third_party.webhook_ids == ["msg_1"]


def test_a_third_party_that_is_down_is_tried_again_under_the_same_id() -> None:
    world = World(DOWN, DELIVERED)
    with pytest.raises(DeliveryFailed, match="503"):
        world.deliver()
    assert world.delivery is not None
    assert world.delivery.status is DeliveryStatus.PENDING
    world.deliver()
    assert (world.delivery.status, world.delivery.tries) == (DeliveryStatus.DELIVERED, 2)
    assert world.third_party.webhook_ids == ["msg_1", "msg_1"]


def test_at_the_last_try_the_delivery_failed_and_the_message_is_not_done() -> None:
    world = World(DOWN)
    with pytest.raises(DeliveryFailed):
        world.deliver(last_try=True)
    assert world.delivery is not None
    assert world.delivery.status is DeliveryStatus.FAILED
    assert world.delivery.reason == "HTTP status 503"


def test_a_refusal_is_final_at_once() -> None:
    world = World(REFUSED)
    world.deliver()
    assert world.delivery is not None
    assert world.delivery.status is DeliveryStatus.FAILED


def test_a_message_that_is_put_back_from_the_dead_letter_queue_is_sent_again() -> None:
    world = World(DOWN, DELIVERED)
    with pytest.raises(DeliveryFailed):
        world.deliver(last_try=True)
    world.deliver()
    assert world.delivery is not None
    assert world.delivery.status is DeliveryStatus.DELIVERED


def test_an_image_that_was_removed_is_not_delivered() -> None:
    world = World()
    world.catalog.images.clear()
    world.deliver()
    assert world.third_party.webhook_ids == []
