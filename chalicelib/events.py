"""The messages between the parts: what S3 tells of an object, what we tell of a result.

Results are CloudEvents 1.0 in JSON (https://github.com/cloudevents/spec), told on the results
topic with SNS message attributes that a subscription can filter by.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

from chalicelib.model import Image
from chalicelib.storage import image_id_of

_SNS_ARRAY_BYTES = 4096  # longer lists of labels are cut in the attribute, never in the event


class NotOurMessage(Exception):
    """A message that no part of this app sends; the text says what it looks like."""


@dataclass(frozen=True)
class ResultEvent:
    """An image has a result. `id` is the same however often the result is told."""

    id: str
    image_id: str


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
    ids = map(image_id_of, keys_of_notification(notification))
    return tuple(image_id for image_id in ids if image_id is not None)


def parse_notification(body: str) -> tuple[str, ...]:
    """The images that the text of an S3 notification tells of; raises NotOurMessage."""
    return image_ids_of_notification(json_object(body))


def result_event(image: Image) -> tuple[dict[str, Any], dict[str, Any]]:
    """The event that tells an image's result, and its SNS message attributes."""
    told_at = image.recognized_at or datetime.now(UTC)
    names = [label.name for label in image.labels]
    event = {
        "specversion": "1.0",
        "id": f"msg_{image.id}_{told_at:%Y%m%dT%H%M%S%f}",
        "source": "/images",
        "type": f"image-recognition.image.{image.status.lower()}.v1",
        "subject": image.id,
        "time": told_at.isoformat(),
        "datacontenttype": "application/json",
        "data": {"image_id": image.id, "status": image.status, "labels": names},
    }
    attributes: dict[str, Any] = {
        "status": {"DataType": "String", "StringValue": image.status},
    }
    while len(json.dumps(names).encode()) > _SNS_ARRAY_BYTES:
        names = names[:-1]
    if names:
        attributes["labels"] = {"DataType": "String.Array", "StringValue": json.dumps(names)}
    return event, attributes


def parse_result_event(body: str) -> ResultEvent:
    """The event that `result_event` made; raises NotOurMessage."""
    event = json_object(body)
    try:
        return ResultEvent(id=str(event["id"]), image_id=str(event["data"]["image_id"]))
    except (KeyError, TypeError) as error:
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


def _start(value: object) -> str:
    return repr(value)[:200]
