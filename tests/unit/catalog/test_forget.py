from typing import Any

import pytest

from chalicelib.catalog.forget import ImageRemoval
from chalicelib.catalog.images import RowKeepsChanging
from chalicelib.model.findings import Feature
from tests.helpers.images import IMAGE_ID, PENDING
from tests.helpers.memory import MemoryCatalog


@pytest.fixture
def removal(memory: MemoryCatalog) -> ImageRemoval:
    memory.write(PENDING)
    return ImageRemoval(memory.store, memory.catalog)


def after_each_check(memory: MemoryCatalog, happens: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let something happen between the look at S3 and what is decided on it."""
    exists = memory.store.exists

    def check(image_id: str) -> bool:
        answer = exists(image_id)
        happens()
        return answer

    monkeypatch.setattr(memory.store, "exists", check)


def test_a_removed_image_is_forgotten_even_if_the_event_is_delivered_twice(
    memory: MemoryCatalog, removal: ImageRemoval
) -> None:
    for _ in range(2):
        removal.forget(IMAGE_ID)
        assert memory.catalog.find(IMAGE_ID) is None


def test_a_late_removal_event_does_not_delete_an_image_that_is_stored_again(
    memory: MemoryCatalog, removal: ImageRemoval
) -> None:
    memory.put_object(IMAGE_ID)
    removal.forget(IMAGE_ID)
    assert memory.catalog.find(IMAGE_ID) == PENDING


def test_an_image_stored_and_registered_again_between_check_and_deletion_stays(
    memory: MemoryCatalog, removal: ImageRemoval, monkeypatch: pytest.MonkeyPatch
) -> None:
    def store_again() -> None:
        memory.put_object(IMAGE_ID)
        memory.write(PENDING)

    after_each_check(memory, store_again, monkeypatch)
    removal.forget(IMAGE_ID)
    assert memory.catalog.find(IMAGE_ID) == PENDING


def test_an_image_that_keeps_changing_is_left_for_the_next_delivery_of_the_event(
    memory: MemoryCatalog, removal: ImageRemoval, monkeypatch: pytest.MonkeyPatch
) -> None:
    after_each_check(memory, lambda: memory.write(PENDING), monkeypatch)
    with pytest.raises(RowKeepsChanging):
        removal.forget(IMAGE_ID)
    assert memory.catalog.find(IMAGE_ID) == PENDING


def test_an_image_posted_again_from_its_known_url_between_check_and_deletion_stays(
    memory: MemoryCatalog, removal: ImageRemoval, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing in the item changes, because the source and the features are the known ones."""

    def post_again() -> None:
        is_new = memory.store.put(IMAGE_ID, b"content", "image/png", [Feature.LABELS])
        memory.catalog.register(PENDING, is_stored_anew=is_new)

    after_each_check(memory, post_again, monkeypatch)
    assert not removal.forget(IMAGE_ID)
    assert memory.catalog.find(IMAGE_ID) == PENDING


def test_an_image_posted_again_before_the_removal_of_its_items_ends_is_new(
    memory: MemoryCatalog, removal: ImageRemoval
) -> None:
    stale = memory.catalog.snapshot(IMAGE_ID)
    assert removal.forget(IMAGE_ID)
    assert memory.catalog.register(PENDING, is_stored_anew=True).is_new
    assert not memory.catalog.forget(stale)  # a second removal, with what it had read before
    assert memory.catalog.find(IMAGE_ID) == PENDING
