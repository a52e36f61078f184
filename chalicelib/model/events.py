"""The messages between the parts: S3's notifications, requests to recognize, and result events.

A result event is a CloudEvent 1.0 in JSON (https://github.com/cloudevents/spec). The results topic
carries it with SNS message attributes that a subscription can filter by.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus

from chalicelib.model.identity import image_id_of_key, is_image_id
from chalicelib.model.image import Image, ImageSummary, Status

# A longer list of labels is cut off in the message attribute, never in the event itself.
_SNS_ARRAY_BYTES = 4096


class NotOurMessage(Exception):
    """Raised for a message that neither this app nor S3 sends; its text quotes the start of it."""


@dataclass(frozen=True)
class ResultEvent:
    """The part of a result event that the delivery to the third party needs.

    `id` is the same each time the same result is published. `delivery` is the number of the
    delivery that the event starts.
    """

    id: str
    image_id: str
    delivery: int = 1


def keys_of_notification(notification: Mapping[str, Any]) -> tuple[str, ...]:
    """The decoded keys of the objects in an S3 notification; raises NotOurMessage.

    S3 encodes the keys in its events like a form: a space becomes a plus. The test event that S3
    sends when a notification is configured has no keys.
    """
    if notification.get("Event") == "s3:TestEvent":
        return ()
    try:
        return tuple(
            unquote_plus(record["s3"]["object"]["key"]) for record in notification["Records"]
        )
    except (KeyError, TypeError) as error:
        raise NotOurMessage(f"Not an S3 notification: {_start(notification)}") from error


def image_ids_of_notification(notification: Mapping[str, Any]) -> tuple[str, ...]:
    """The ids of the images in an S3 notification, without other objects; raises NotOurMessage."""
    ids = map(image_id_of_key, keys_of_notification(notification))
    return tuple(image_id for image_id in ids if image_id is not None)


def recognition_request(image_id: str) -> dict[str, str]:
    """The message on the recognition queue that requests an image's pending features."""
    return {"recognize": image_id}


def images_to_recognize(body: str) -> tuple[str, ...]:
    """The ids of the images in a message of the recognition queue; raises NotOurMessage.

    The message is an S3 notification or a `recognition_request`.
    """
    message = json_object(body)
    image_id = message.get("recognize")
    if isinstance(image_id, str) and is_image_id(image_id):
        return (image_id,)
    return image_ids_of_notification(message)


def result_event(image: ImageSummary, delivery: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The event that publishes an image's result, and its SNS message attributes.

    `delivery` is the number of the delivery to the third party that the event starts. The event's
    `id` and `time` come from `recognized_at`, so they are the same each time.
    """
    names = [label.name for label in image.labels]
    features = [state.name for state in image.features if state.status is Status.RECOGNIZED]
    event = {
        "specversion": "1.0",
        "id": result_event_id(image),
        "source": "/images",
        "type": f"image-recognition.image.{image.status.lower()}.v1",
        "subject": image.id,
        "time": _recognized_at(image).isoformat(),
        "datacontenttype": "application/json",
        "data": {
            "image_id": image.id,
            "status": image.status,
            "features": features,
            "labels": names,
            "delivery": delivery,
        },
    }
    attributes = {
        "status": {"DataType": "String", "StringValue": image.status},
        "features": _string_array(features),
        "labels": _string_array(names),
    }
    return event, {name: attribute for name, attribute in attributes.items() if attribute}


def result_event_id(image: Image | ImageSummary) -> str:
    """The id of the event that publishes an image's current result."""
    return f"msg_{image.id}_{_recognized_at(image):%Y%m%dT%H%M%S%f}"


def parse_result_event(body: str) -> ResultEvent:
    """The ResultEvent in a message body that `result_event` made; raises NotOurMessage.

    An event without a delivery number starts delivery 1.
    """
    event = json_object(body)
    try:
        data = event["data"]
        return ResultEvent(str(event["id"]), str(data["image_id"]), int(data.get("delivery", 1)))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise NotOurMessage(f"Not a result event: {_start(event)}") from error


def json_object(body: str) -> dict[str, Any]:
    """Parse a message's body as a JSON object; raises NotOurMessage if it is anything else."""
    try:
        value = json.loads(body)
    except ValueError as error:
        raise NotOurMessage(f"Not JSON: {_start(body)}") from error
    if not isinstance(value, dict):
        raise NotOurMessage(f"Not a JSON object: {_start(body)}")
    return value


def _recognized_at(image: Image | ImageSummary) -> datetime:
    if image.recognized_at is None:
        raise ValueError(f"Image {image.id} has no result to publish.")
    return image.recognized_at


def _string_array(names: Sequence[str]) -> dict[str, Any]:
    """An SNS attribute that a filter policy can match; empty if there are no names.

    SNS rejects an empty array.
    """
    while len(json.dumps(names).encode()) > _SNS_ARRAY_BYTES:
        names = names[:-1]
    return {"DataType": "String.Array", "StringValue": json.dumps(names)} if names else {}


def _start(value: object) -> str:
    return repr(value)[:200]
