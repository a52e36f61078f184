import json
from dataclasses import replace

import pytest

from chalicelib.model.events import (
    NotOurMessage,
    images_to_recognize,
    keys_of_notification,
    parse_result_event,
    recognition_request,
    result_event,
)
from chalicelib.model.image import LabelSummary
from tests.helpers.images import IMAGE_ID, RECOGNIZED

SUMMARY = RECOGNIZED.summary()


def notification(*keys: str) -> dict[str, object]:
    return {"Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": key}}} for key in keys]}


def test_every_record_of_a_notification_counts() -> None:
    other = IMAGE_ID[::-1]
    body = json.dumps(notification(f"images/{IMAGE_ID}", f"images/{other}"))
    assert images_to_recognize(body) == (IMAGE_ID, other)


def test_keys_are_decoded_as_s3_encodes_them() -> None:
    keys = keys_of_notification(notification("images/caf%C3%A9+au+lait%2B1.jpg"))
    assert keys == ("images/café au lait+1.jpg",)


def test_an_object_that_is_not_ours_is_left_out() -> None:
    body = json.dumps(
        notification("images/caf%C3%A9+au+lait.jpg", "other/" + IMAGE_ID, f"images/{IMAGE_ID}")
    )
    assert images_to_recognize(body) == (IMAGE_ID,)


def test_the_message_that_s3_sends_at_set_up_is_no_image() -> None:
    assert images_to_recognize('{"Service": "Amazon S3", "Event": "s3:TestEvent"}') == ()


@pytest.mark.parametrize("body", ["", "hello", "[]", "{}", '{"Records": [{}]}', '{"Records": 1}'])
def test_a_strange_message_is_said_to_be_strange(body: str) -> None:
    with pytest.raises(NotOurMessage):
        images_to_recognize(body)
    with pytest.raises(NotOurMessage):
        parse_result_event(body)


def test_a_result_is_told_with_the_same_id_each_time() -> None:
    first, second = result_event(SUMMARY, 1)[0], result_event(SUMMARY, 1)[0]
    assert first["id"] == second["id"]


def test_a_result_comes_back_from_its_event() -> None:
    event, _ = result_event(SUMMARY, 3)
    told = parse_result_event(json.dumps(event))
    assert (told.image_id, told.delivery, told.id) == (IMAGE_ID, 3, event["id"])


def test_an_image_that_we_ask_ourselves_to_recognize() -> None:
    assert images_to_recognize(json.dumps(recognition_request(IMAGE_ID))) == (IMAGE_ID,)


def test_a_result_has_what_cloudevents_ask_for_and_what_a_subscription_filters_by() -> None:
    event, attributes = result_event(SUMMARY, 1)
    assert event["specversion"] == "1.0"
    assert {"id", "source", "type"} <= set(event)
    assert attributes["status"]["StringValue"] == "RECOGNIZED"
    assert json.loads(attributes["labels"]["StringValue"]) == ["Cat", "Coffee Cup"]
    assert json.loads(attributes["features"]["StringValue"]) == ["LABELS"]


def test_an_image_without_labels_has_no_empty_attribute_which_sns_refuses() -> None:
    assert "labels" not in result_event(replace(SUMMARY, labels=()), 1)[1]


def test_many_long_labels_stay_within_what_sns_takes() -> None:
    labels = tuple(
        LabelSummary(f"A very long label number {number}" * 3, 90) for number in range(99)
    )
    _, attributes = result_event(replace(SUMMARY, labels=labels), 1)
    assert 0 < len(attributes["labels"]["StringValue"].encode()) <= 4096
