import pytest

from chalicelib.catalog.forget import ImageRemoval, RowKeepsChanging
from tests.helpers.fakes import FakeCatalog, FakeStore
from tests.helpers.images import IMAGE_ID, RECOGNIZED


def removal(store: FakeStore, catalog: FakeCatalog) -> ImageRemoval:
    return ImageRemoval(store, catalog)  # type: ignore[arg-type]  # work in memory


def test_a_removed_image_is_forgotten_however_often_it_is_told() -> None:
    catalog = FakeCatalog({IMAGE_ID: RECOGNIZED})
    for _ in range(2):
        removal(FakeStore(), catalog).forget(IMAGE_ID)
    assert catalog.images == {}


def test_a_late_removal_does_not_take_what_was_stored_again() -> None:
    catalog = FakeCatalog({IMAGE_ID: RECOGNIZED})
    removal(FakeStore({IMAGE_ID}), catalog).forget(IMAGE_ID)
    assert catalog.images == {IMAGE_ID: RECOGNIZED}


def test_an_image_that_comes_back_between_the_look_and_the_removal_stays() -> None:
    catalog = FakeCatalog({IMAGE_ID: RECOGNIZED})

    class StoreInWhichItComesBack(FakeStore):
        def exists(self, image_id: str) -> bool:
            was_there = super().exists(image_id)
            self.stored.add(image_id)
            catalog.write(RECOGNIZED)
            return was_there

    removal(StoreInWhichItComesBack(), catalog).forget(IMAGE_ID)
    assert catalog.images == {IMAGE_ID: RECOGNIZED}


def test_rows_that_never_stand_still_are_left_for_the_next_delivery_of_the_event() -> None:
    catalog = FakeCatalog({IMAGE_ID: RECOGNIZED})

    class RestlessStore(FakeStore):
        def exists(self, image_id: str) -> bool:
            catalog.write(RECOGNIZED)
            return False

    with pytest.raises(RowKeepsChanging):
        removal(RestlessStore(), catalog).forget(IMAGE_ID)
