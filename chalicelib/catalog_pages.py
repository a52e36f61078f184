"""Pages of the catalog: newest first, or best first under a label.

A page costs what it holds, however large the catalog is: the indexes are read in order from where
the cursor points, and the images they name are fetched in one batch.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib import catalog_items as items
from chalicelib.errors import InvalidRequest
from chalicelib.model import Image, Status

MAX_LIMIT = 100  # BatchGetItem fetches at most 100 items
DEFAULT_LIMIT = 20


@dataclass(frozen=True)
class PageRequest:
    """Which images to list. `label` lists best first; without it the newest are first."""

    label: str | None = None
    min_confidence: float = 0
    limit: int = DEFAULT_LIMIT
    cursor: str | None = None


@dataclass(frozen=True)
class Page:
    """Some images, and the cursor of the next page (None: this is the last)."""

    images: tuple[Image, ...]
    cursor: str | None


class CatalogPages:
    """Reads the table of images and labels page by page."""

    def __init__(self, client: Any, table_name: str) -> None:
        self._client = client
        self._table_name = table_name

    def page(self, request: PageRequest) -> Page:
        """One page; raises InvalidRequest for a cursor that is not one of this query's."""
        if request.label is None:
            return self._newest(request)
        return self._best(request, items.label_key(request.label))

    def statuses(self, image_ids: Iterable[str]) -> dict[str, Status]:
        """How far each image is; those that do not exist are left out."""
        keys = [items.partition_key(image_id) for image_id in sorted(set(image_ids))]
        return {
            image.id: image.status
            for start in range(0, len(keys), MAX_LIMIT)
            for image in self._images(keys[start : start + MAX_LIMIT])
        }

    def _newest(self, request: PageRequest) -> Page:
        before = _read_cursor(request.cursor, {"newest"}).get("newest", "~")  # "~" sorts last
        found: list[dict[str, Any]] = []
        for shard in items.TIME_SHARDS:
            found += self._query(
                IndexName="by_time",
                KeyConditionExpression="time_shard = :shard AND time_key < :before",
                ExpressionAttributeValues=items.to_item({":shard": shard, ":before": before}),
                Limit=request.limit + 1,
                ScanIndexForward=False,
            )["Items"]
        keys = [items.from_item(item) for item in found]
        keys.sort(key=lambda key: str(key["time_key"]), reverse=True)
        page = keys[: request.limit]
        cursor = _write_cursor({"newest": page[-1]["time_key"]}) if len(keys) > len(page) else None
        return Page(self._images([key["pk"] for key in page]), cursor)

    def _best(self, request: PageRequest, label_key: str) -> Page:
        query: dict[str, Any] = {
            "IndexName": "by_label",
            "KeyConditionExpression": "label_key = :label AND confidence >= :least",
            "ExpressionAttributeValues": items.to_item(
                {":label": label_key, ":least": float(request.min_confidence)}
            ),
            "Limit": request.limit,
            "ScanIndexForward": False,
        }
        start = _read_cursor(request.cursor, {"pk", "sk", "label_key", "confidence"})
        if start:
            if start["label_key"] != label_key:
                raise InvalidRequest(
                    f"The cursor is of the label {start['label_key']!r}, not of {label_key!r}. "
                    "Ask for the first page without a cursor."
                )
            query["ExclusiveStartKey"] = items.to_item(start | {"confidence": _number(start)})
        answer = self._query(**query)
        last = answer.get("LastEvaluatedKey")
        cursor = _write_cursor(items.from_item(last)) if last else None
        return Page(self._images([items.from_item(item)["pk"] for item in answer["Items"]]), cursor)

    def _query(self, **query: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._client.query(TableName=self._table_name, **query)
        return answer

    def _images(self, partition_keys: Sequence[str]) -> tuple[Image, ...]:
        """The images in the order of the keys; one that was removed meanwhile is left out."""
        wanted = [items.to_item({"pk": key, "sk": items.IMAGE_SORT_KEY}) for key in partition_keys]
        images: dict[str, Image] = {}
        while wanted:
            answer = self._client.batch_get_item(RequestItems={self._table_name: {"Keys": wanted}})
            for item in answer["Responses"][self._table_name]:
                image = items.image_from_item(item)
                images[items.partition_key(image.id)] = image
            wanted = answer.get("UnprocessedKeys", {}).get(self._table_name, {}).get("Keys", [])
        return tuple(images[key] for key in partition_keys if key in images)


def _write_cursor(position: dict[str, Any]) -> str:
    text = json.dumps(position, default=str, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(cursor: str | None, fields: set[str]) -> dict[str, str]:
    if cursor is None:
        return {}
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        position = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        position = None
    if (
        not isinstance(position, dict)
        or set(position) != fields
        or not all(isinstance(value, str) for value in position.values())
    ):
        raise InvalidRequest(
            "The cursor is not one that this query gave. Pass the cursor of the page before "
            "unchanged, with the same label, or ask for the first page without one."
        )
    return position


def _number(position: dict[str, str]) -> float:
    try:
        return float(position["confidence"])
    except ValueError as error:
        raise InvalidRequest(
            "The cursor is damaged. Ask for the first page without one."
        ) from error
