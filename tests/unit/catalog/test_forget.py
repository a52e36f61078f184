import pytest

from chalicelib.catalog.forget import ImageRemoval, RowKeepsChanging
from tests.helpers.fakes import FakeCatalog, FakeStore
from tests.helpers.images import IMAGE_ID, RECOGNIZED


def removal(store: FakeStore, catalog: FakeCatalog) -> ImageRemoval:
    return ImageRemoval(store, catalog)  # type: ignore[arg-type]  # work in memory


def test_a_removed_image_is_forgotten_even_if_the_event_is_delivered_twice() -> None:
    catalog = FakeCatalog({IMAGE_ID: RECOGNIZED})
    for _ in range(2):
        removal(FakeStore(), catalog).forget(IMAGE_ID)
    assert catalog.images == {}


def test_a_late_removal_event_does_not_delete_an_image_that_is_stored_again() -> None:
    catalog = FakeCatalog({IMAGE_ID: RECOGNIZED})
    removal(FakeStore({IMAGE_ID}), catalog).forget(IMAGE_ID)
    assert catalog.images == {IMAGE_ID: RECOGNIZED}


def test_an_image_stored_again_between_check_and_deletion_stays() -> None:
    catalog = FakeCatalog({IMAGE_ID: RECOGNIZED})

    class StoreThatGetsItAgain(FakeStore):
        def exists(self, image_id: str) -> bool:
            existed = super().exists(image_id)
            self.stored.add(image_id)
            catalog.write(RECOGNIZED)
            return existed

    removal(StoreThatGetsItAgain(), catalog).forget(IMAGE_ID)
    assert catalog.images == {IMAGE_ID: RECOGNIZED}


def test_an_image_that_keeps_changing_is_left_for_the_next_delivery_of_the_event() -> None:
    catalog = FakeCatalog({IMAGE_ID: RECOGNIZED})

    class StoreWithConcurrentWrites(FakeStore):
        def exists(self, image_id: str) -> bool:
            catalog.write(RECOGNIZED)
            return False

    with pytest.raises(RowKeepsChanging):
        removal(StoreWithConcurrentWrites(), catalog).forget(IMAGE_ID)
