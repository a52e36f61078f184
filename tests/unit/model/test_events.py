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


def test_every_record_of_a_notification_is_read() -> None:
    other = IMAGE_ID[::-1]
    body = json.dumps(notification(f"images/{IMAGE_ID}", f"images/{other}"))
    assert images_to_recognize(body) == (IMAGE_ID, other)


def test_keys_are_decoded_the_way_s3_encodes_them() -> None:
    keys = keys_of_notification(notification("images/caf%C3%A9+au+lait%2B1.jpg"))
    assert keys == ("images/café au lait+1.jpg",)


def test_an_object_that_is_not_an_image_is_left_out() -> None:
    body = json.dumps(
        notification("images/caf%C3%A9+au+lait.jpg", "other/" + IMAGE_ID, f"images/{IMAGE_ID}")
    )
    assert images_to_recognize(body) == (IMAGE_ID,)


def test_the_test_event_of_s3_has_no_images() -> None:
    assert images_to_recognize('{"Service": "Amazon S3", "Event": "s3:TestEvent"}') == ()


@pytest.mark.parametrize("body", ["", "hello", "[]", "{}", '{"Records": [{}]}', '{"Records": 1}'])
def test_an_unexpected_message_raises_not_our_message(body: str) -> None:
    with pytest.raises(NotOurMessage):
        images_to_recognize(body)
    with pytest.raises(NotOurMessage):
        parse_result_event(body)


def test_a_result_is_published_with_the_same_id_each_time() -> None:
    first, second = result_event(SUMMARY, 1)[0], result_event(SUMMARY, 1)[0]
    assert first["id"] == second["id"]


def test_a_result_event_is_parsed_from_its_json() -> None:
    event, _ = result_event(SUMMARY, 3)
    parsed = parse_result_event(json.dumps(event))
    assert (parsed.image_id, parsed.delivery, parsed.id) == (IMAGE_ID, 3, event["id"])


def test_a_recognition_request_names_its_image() -> None:
    assert images_to_recognize(json.dumps(recognition_request(IMAGE_ID))) == (IMAGE_ID,)


def test_a_result_event_has_the_attributes_of_cloudevents_and_of_filter_policies() -> None:
    event, attributes = result_event(SUMMARY, 1)
    assert event["specversion"] == "1.0"
    assert {"id", "source", "type"} <= set(event)
    assert attributes["status"]["StringValue"] == "RECOGNIZED"
    assert json.loads(attributes["labels"]["StringValue"]) == ["Cat", "Coffee Cup"]
    assert json.loads(attributes["features"]["StringValue"]) == ["LABELS"]


def test_an_image_without_labels_has_no_empty_attribute_because_sns_rejects_it() -> None:
    assert "labels" not in result_event(replace(SUMMARY, labels=()), 1)[1]


def test_many_long_labels_stay_within_the_limit_of_sns() -> None:
    labels = tuple(
        LabelSummary(f"A very long label number {number}" * 3, 90) for number in range(99)
    )
    _, attributes = result_event(replace(SUMMARY, labels=labels), 1)
    assert 0 < len(attributes["labels"]["StringValue"].encode()) <= 4096
