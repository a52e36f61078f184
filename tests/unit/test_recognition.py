from datetime import UTC, datetime

import pytest

from chalicelib.model import Failure, Image, Recognition, Status
from chalicelib.recognition import LEASE, ImageRecognition, RecognizedElsewhere
from chalicelib.rekognition import ImageRefused, ObjectUnreadable
from tests.unit.fakes import FakeCatalog, FakeRekognition, FakeResults, FakeStore
from tests.unit.images import CAT, IMAGE_ID, PENDING

ANSWER = Recognition((CAT,), "3.0")


class World:
    """A stored, registered image and everything around its recognition."""

    def __init__(self, answer: Recognition | Exception = ANSWER) -> None:
        self.store = FakeStore({IMAGE_ID})
        self.catalog = FakeCatalog({IMAGE_ID: PENDING})
        self.rekognition = FakeRekognition(answer)
        self.results = FakeResults()

    def recognize(self, *, last_try: bool = False) -> None:
        ImageRecognition(
            self.store,  # type: ignore[arg-type]  # works in memory
            self.rekognition,  # type: ignore[arg-type]
            self.catalog,  # type: ignore[arg-type]
            self.results,  # type: ignore[arg-type]
        ).recognize(IMAGE_ID, last_try=last_try)

    @property
    def image(self) -> Image:
        return self.catalog.images[IMAGE_ID]


def test_a_stored_image_is_recognized_and_told() -> None:
    world = World()
    world.recognize()
    assert (world.image.status, world.image.labels) == (Status.RECOGNIZED, (CAT,))
    assert [image.labels for image in world.results.told] == [(CAT,)]


def test_an_image_that_nobody_registered_is_recognized_too() -> None:
    world = World()
    world.catalog = FakeCatalog()
    world.recognize()
    assert world.image.status is Status.RECOGNIZED


def test_a_message_that_comes_twice_costs_one_call_of_rekognition() -> None:
    world = World()
    world.recognize()
    world.recognize()
    assert world.rekognition.calls == 1
    assert {image.recognized_at for image in world.results.told} == {world.image.recognized_at}


def test_a_crash_before_the_result_was_told_is_made_good_by_the_next_delivery() -> None:
    world = World()
    world.results.failures = 1
    with pytest.raises(ConnectionError):
        world.recognize()
    world.recognize()
    assert world.rekognition.calls == 1
    assert len(world.results.told) == 1


def test_two_at_once_make_one_call_and_the_other_comes_back_later() -> None:
    world = World()
    world.catalog.claim(IMAGE_ID, datetime.now(UTC), LEASE)
    with pytest.raises(RecognizedElsewhere):
        world.recognize()
    assert world.rekognition.calls == 0


def test_what_rekognition_will_never_take_is_a_failure_with_its_reason_at_once() -> None:
    failure = Failure("InvalidImageFormatException", "Not an image.")
    world = World(ImageRefused(failure))
    world.recognize()
    assert (world.image.status, world.image.failure) == (Status.FAILED, failure)
    assert world.results.told[0].failure == failure


def test_what_may_pass_is_tried_again_without_waiting_for_the_lease() -> None:
    world = World(ConnectionError("throttled"))
    with pytest.raises(ConnectionError):
        world.recognize()
    assert world.catalog.images[IMAGE_ID].status is Status.PENDING
    world.rekognition.answer = ANSWER
    world.recognize()
    assert world.image.status is Status.RECOGNIZED


def test_at_the_last_try_what_may_pass_is_a_failure_too_and_the_message_is_not_done() -> None:
    world = World(ConnectionError("throttled"))
    with pytest.raises(ConnectionError):
        world.recognize(last_try=True)
    assert world.image.failure == Failure("ConnectionError", "throttled")


def test_a_late_arrival_does_not_bring_back_what_was_removed() -> None:
    world = World(ObjectUnreadable("no such object"))
    world.store.stored.clear()
    world.catalog = FakeCatalog()
    world.recognize()
    assert world.catalog.images == {}
    assert world.results.told == []


def test_an_object_that_may_not_be_read_is_the_operators_error_and_is_tried_again() -> None:
    world = World(ObjectUnreadable("access denied"))
    with pytest.raises(ObjectUnreadable):
        world.recognize()
    assert world.image.status is Status.PENDING


def test_a_result_of_an_image_that_was_removed_meanwhile_is_dropped() -> None:
    world = World()

    def remove_then_answer(bucket_name: str, key: str) -> Recognition:
        world.catalog.forget(world.catalog.snapshot(IMAGE_ID))
        return ANSWER

    world.rekognition.detect_labels = remove_then_answer  # type: ignore[method-assign]
    world.recognize()
    assert world.catalog.images == {}
    assert world.results.told == []
