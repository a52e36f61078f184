"""The messages between the parts: what S3 tells of an object, what we tell of a result.

Results are CloudEvents 1.0 in JSON (https://github.com/cloudevents/spec), told on the results
topic with SNS message attributes that a subscription can filter by.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

from chalicelib.model.identity import image_id_of_key, is_image_id
from chalicelib.model.image import ImageSummary, Status

_SNS_ARRAY_BYTES = 4096  # longer lists of labels are cut in the attribute, never in the event


class NotOurMessage(Exception):
    """A message that no part of this app sends; the text says what it looks like."""


@dataclass(frozen=True)
class ResultEvent:
    """An image has a result. `id` is the same however often the result is told.

    `delivery` is the number of the delivery that it begins.
    """

    id: str
    image_id: str
    delivery: int = 1


def keys_of_notification(notification: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys of the objects that an S3 notification tells of, decoded.

    S3 encodes keys in its events as a form does: a space is a plus. The message that S3 sends
    when a notification is set up has no records.
    """
    if notification.get("Event") == "s3:TestEvent":
        return ()
    try:
        return tuple(
            unquote_plus(record["s3"]["object"]["key"]) for record in notification["Records"]
        )
    except (KeyError, TypeError) as error:
        raise NotOurMessage(f"Not a notification of S3: {_start(notification)}") from error


def image_ids_of_notification(notification: Mapping[str, Any]) -> tuple[str, ...]:
    """The images that an S3 notification tells of; objects that are not ours are left out."""
    ids = map(image_id_of_key, keys_of_notification(notification))
    return tuple(image_id for image_id in ids if image_id is not None)


def recognition_request(image_id: str) -> dict[str, str]:
    """The message with which we ask ourselves for what is pending of an image."""
    return {"recognize": image_id}


def images_to_recognize(body: str) -> tuple[str, ...]:
    """The images of a message of the recognition queue: S3's, or ours; raises NotOurMessage."""
    message = json_object(body)
    image_id = message.get("recognize")
    if isinstance(image_id, str) and is_image_id(image_id):
        return (image_id,)
    return image_ids_of_notification(message)


def result_event(image: ImageSummary, delivery: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The event that tells an image's result, and its SNS message attributes.

    `delivery` is the number of the delivery to the third party that it begins.
    """
    told_at = image.recognized_at or datetime.now(UTC)
    names = [label.name for label in image.labels]
    features = [state.name for state in image.features if state.status is Status.RECOGNIZED]
    event = {
        "specversion": "1.0",
        "id": f"msg_{image.id}_{told_at:%Y%m%dT%H%M%S%f}",
        "source": "/images",
        "type": f"image-recognition.image.{image.status.lower()}.v1",
        "subject": image.id,
        "time": told_at.isoformat(),
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


def parse_result_event(body: str) -> ResultEvent:
    """The event that `result_event` made; raises NotOurMessage."""
    event = json_object(body)
    try:
        data = event["data"]
        return ResultEvent(str(event["id"]), str(data["image_id"]), int(data.get("delivery", 1)))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise NotOurMessage(f"Not an event of a result: {_start(event)}") from error


def json_object(body: str) -> dict[str, Any]:
    """The JSON object that a message's body is; raises NotOurMessage."""
    try:
        value = json.loads(body)
    except ValueError as error:
        raise NotOurMessage(f"Not JSON: {_start(body)}") from error
    if not isinstance(value, dict):
        raise NotOurMessage(f"Not a JSON object: {_start(body)}")
    return value


def _string_array(names: Sequence[str]) -> dict[str, Any]:
    """An SNS attribute that a filter policy can look into; nothing where there is no name."""
    while len(json.dumps(names).encode()) > _SNS_ARRAY_BYTES:
        names = names[:-1]
    return {"DataType": "String.Array", "StringValue": json.dumps(names)} if names else {}


def _start(value: object) -> str:
    return repr(value)[:200]
