from dataclasses import asdict
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from chalicelib import catalog_items as items
from chalicelib.model import Failure, Status
from tests.unit.images import CAT, IMAGE_ID, RECOGNIZED


def test_an_image_comes_back_from_its_item_as_it_was() -> None:
    item = items.to_item(
        {
            "pk": f"IMAGE#{IMAGE_ID}",
            "sk": "IMAGE",
            "status": RECOGNIZED.status,
            "created_at": items.to_timestamp(RECOGNIZED.created_at),
            "sources": set(RECOGNIZED.sources),
            "content": {
                "content_type": "image/jpeg",
                "width": 640,
                "height": 480,
                "bytes": 12345,
            },
            "labels": items.labels_to_values(RECOGNIZED.labels),
            "model_version": "3.0",
            "recognized_at": items.to_timestamp(RECOGNIZED.created_at),
            "delivery": {
                "status": "DELIVERED",
                "tries": 2,
                "last_tried_at": items.to_timestamp(RECOGNIZED.created_at),
                "reason": None,
            },
        }
    )
    assert items.image_from_item(item) == RECOGNIZED


def test_a_failed_image_tells_its_failure() -> None:
    failure = Failure("ImageTooLargeException", "The image is too large.")
    item = items.to_item(
        {
            "pk": f"IMAGE#{IMAGE_ID}",
            "sk": "IMAGE",
            "status": "FAILED",
            "created_at": "2026-11-23T01:02:03.456789Z",
            "failure": asdict(failure),
        }
    )
    image = items.image_from_item(item)
    assert (image.status, image.failure) == (Status.FAILED, failure)


def test_a_label_item_is_found_whatever_the_case_and_sorts_by_confidence() -> None:
    item = items.from_item(items.label_item(IMAGE_ID, CAT))
    assert item["label_key"] == items.label_key("  CAT ") == "cat"
    assert item["confidence"] == Decimal("98.25")


def test_timestamps_sort_as_moments_do_whatever_their_zone() -> None:
    moment = datetime(2026, 11, 23, 12, 0, 0, 0, tzinfo=UTC)
    east = moment.astimezone(timezone(timedelta(hours=9)))
    assert items.to_timestamp(moment) == items.to_timestamp(east) == "2026-11-23T12:00:00.000000Z"
    later = moment + timedelta(microseconds=1)
    assert items.to_timestamp(moment) < items.to_timestamp(later)


@pytest.mark.parametrize("first_digit", "0123456789abcdef")
def test_every_image_is_in_a_time_shard(first_digit: str) -> None:
    assert items.time_shard(first_digit + IMAGE_ID[1:]) in items.TIME_SHARDS
