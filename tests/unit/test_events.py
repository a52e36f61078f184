import json
from dataclasses import replace

import pytest

from chalicelib.events import (
    NotOurMessage,
    keys_of_notification,
    parse_notification,
    parse_result_event,
    result_event,
)
from chalicelib.model import Label
from tests.unit.images import IMAGE_ID, RECOGNIZED


def notification(*keys: str) -> dict[str, object]:
    return {"Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": key}}} for key in keys]}


def test_every_record_of_a_notification_counts() -> None:
    other = IMAGE_ID[::-1]
    body = json.dumps(notification(f"images/{IMAGE_ID}", f"images/{other}"))
    assert parse_notification(body) == (IMAGE_ID, other)


def test_keys_are_decoded_as_s3_encodes_them() -> None:
    keys = keys_of_notification(notification("images/caf%C3%A9+au+lait%2B1.jpg"))
    assert keys == ("images/café au lait+1.jpg",)


def test_an_object_that_is_not_ours_is_left_out() -> None:
    body = json.dumps(
        notification("images/caf%C3%A9+au+lait.jpg", "other/" + IMAGE_ID, f"images/{IMAGE_ID}")
    )
    assert parse_notification(body) == (IMAGE_ID,)


def test_the_message_that_s3_sends_at_set_up_is_no_image() -> None:
    assert parse_notification('{"Service": "Amazon S3", "Event": "s3:TestEvent"}') == ()


@pytest.mark.parametrize("body", ["", "hello", "[]", "{}", '{"Records": [{}]}', '{"Records": 1}'])
def test_a_strange_message_is_said_to_be_strange(body: str) -> None:
    with pytest.raises(NotOurMessage):
        parse_notification(body)
    with pytest.raises(NotOurMessage):
        parse_result_event(body)


def test_a_result_is_told_with_the_same_id_each_time() -> None:
    first, second = result_event(RECOGNIZED)[0], result_event(RECOGNIZED)[0]
    assert first["id"] == second["id"]
    assert parse_result_event(json.dumps(first)).image_id == IMAGE_ID


def test_a_result_has_what_cloudevents_ask_for_and_what_a_subscription_filters_by() -> None:
    event, attributes = result_event(RECOGNIZED)
    assert event["specversion"] == "1.0"
    assert {"id", "source", "type"} <= set(event)
    assert attributes["status"]["StringValue"] == "RECOGNIZED"
    assert json.loads(attributes["labels"]["StringValue"]) == ["Cat", "Coffee Cup"]


def test_an_image_without_labels_has_no_empty_attribute_which_sns_refuses() -> None:
    assert "labels" not in result_event(replace(RECOGNIZED, labels=()))[1]


def test_many_long_labels_stay_within_what_sns_takes() -> None:
    labels = tuple(Label(f"A very long label number {number}" * 3, 90) for number in range(99))
    _, attributes = result_event(replace(RECOGNIZED, labels=labels))
    assert 0 < len(attributes["labels"]["StringValue"].encode()) <= 4096
