"""Images and labels as items of the catalog's table, and back.

One partition an image, `pk` = `IMAGE#<id>`: the item `sk` = `IMAGE` has everything that is known,
an item `sk` = `LABEL#<name>` a label makes it found. DynamoDB takes numbers as Decimal only.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from chalicelib.model import (
    BoundingBox,
    Content,
    Delivery,
    DeliveryStatus,
    Failure,
    Image,
    Instance,
    Label,
    Original,
    Status,
)

IMAGE_SORT_KEY = "IMAGE"
TIME_SHARDS = ("0", "1", "2", "3")

Item = Mapping[str, Any]  # attribute name to DynamoDB's typed value, as the boto3 client has it

_serializer = TypeSerializer()
_deserializer = TypeDeserializer()


def partition_key(image_id: str) -> str:
    """The partition of an image and its labels."""
    return f"IMAGE#{image_id}"


def image_key(image_id: str) -> dict[str, Any]:
    """The key of the item that has everything known of an image."""
    return to_item({"pk": partition_key(image_id), "sk": IMAGE_SORT_KEY})


def time_shard(image_id: str) -> str:
    """One of TIME_SHARDS, so that the images of one moment are written to several partitions."""
    return TIME_SHARDS[int(image_id[0], 16) % len(TIME_SHARDS)]


def time_key(created_at: datetime, image_id: str) -> str:
    """Sorts by time; the id makes it unique."""
    return f"{to_timestamp(created_at)}#{image_id}"


def label_key(name: str) -> str:
    """Labels are found whatever the case."""
    return " ".join(name.casefold().split())


def to_timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds, so that the texts sort as the moments do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def to_item(values: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values as DynamoDB's typed values; None is left out."""
    return {
        name: _serializer.serialize(_numbers_as_decimals(value))
        for name, value in values.items()
        if value is not None
    }


def from_item(item: Item) -> dict[str, Any]:
    """DynamoDB's typed values as plain values."""
    return {name: _deserializer.deserialize(value) for name, value in item.items()}


def labels_to_values(labels: tuple[Label, ...]) -> list[dict[str, Any]]:
    """Labels as the list that the image's item keeps."""
    return [
        {
            "name": label.name,
            "confidence": label.confidence,
            "parents": list(label.parents),
            "aliases": list(label.aliases),
            "categories": list(label.categories),
            "instances": [
                {
                    "confidence": instance.confidence,
                    "box": [
                        instance.bounding_box.left,
                        instance.bounding_box.top,
                        instance.bounding_box.width,
                        instance.bounding_box.height,
                    ],
                }
                for instance in label.instances
            ],
        }
        for label in labels
    ]


def label_item(image_id: str, label: Label) -> dict[str, Any]:
    """The item by which an image is found under a label."""
    return to_item(
        {
            "pk": partition_key(image_id),
            "sk": f"LABEL#{label_key(label.name)}",
            "label_key": label_key(label.name),
            "confidence": label.confidence,
        }
    )


def image_from_item(item: Item) -> Image:
    """The image that an item with sort key IMAGE_SORT_KEY describes."""
    values = from_item(item)
    return Image(
        id=values["pk"].removeprefix("IMAGE#"),
        status=Status(values["status"]),
        created_at=_moment(values["created_at"]),
        sources=tuple(sorted(values.get("sources", ()))),
        content=_content(values.get("content")),
        original=_original(values.get("original")),
        labels=tuple(_label(label) for label in values.get("labels", ())),
        model_version=values.get("model_version"),
        recognized_at=_moment(values["recognized_at"]) if "recognized_at" in values else None,
        failure=Failure(**values["failure"]) if "failure" in values else None,
        delivery=_delivery(values.get("delivery")),
    )


def _content(values: Mapping[str, Any] | None) -> Content | None:
    if values is None:
        return None
    return Content(
        content_type=values["content_type"],
        width=int(values["width"]),
        height=int(values["height"]),
        bytes=int(values["bytes"]),
    )


def _original(values: Mapping[str, Any] | None) -> Original | None:
    if values is None:
        return None
    return Original(values["kind"], int(values["bytes"]), values["sha256"])


def _label(values: Mapping[str, Any]) -> Label:
    return Label(
        name=values["name"],
        confidence=float(values["confidence"]),
        parents=tuple(values["parents"]),
        aliases=tuple(values["aliases"]),
        categories=tuple(values["categories"]),
        instances=tuple(
            Instance(
                confidence=float(instance["confidence"]),
                bounding_box=BoundingBox(*(float(side) for side in instance["box"])),
            )
            for instance in values["instances"]
        ),
    )


def _delivery(values: Mapping[str, Any] | None) -> Delivery | None:
    if values is None:
        return None
    return Delivery(
        status=DeliveryStatus(values["status"]),
        tries=int(values["tries"]),
        last_tried_at=_moment(values["last_tried_at"]),
        reason=values.get("reason"),
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _numbers_as_decimals(value: Any) -> Any:
    match value:
        case float():
            return Decimal(repr(value))
        case Mapping():
            return {
                name: _numbers_as_decimals(part) for name, part in value.items() if part is not None
            }
        case list():
            return [_numbers_as_decimals(part) for part in value]
    return value
