"""How many images have each label, counted in the transaction that writes or deletes the image.

The image's id spreads a label's count over COUNT_SHARDS, so that two images with the same label
seldom write the same item at the same moment.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

from chalicelib.aws.dynamodb_table import Table
from chalicelib.catalog import keys
from chalicelib.catalog.cursors import read_cursor, write_cursor

COUNT_SHARDS = tuple("01234567")

_AFTER_ALL = chr(0x10FFFF)  # sorts behind every other character


@dataclass(frozen=True)
class LabelCount:
    """A label, and how many images have it."""

    name: str
    count: int


@dataclass(frozen=True)
class LabelPage:
    """Some labels by name, and the cursor of the next page (None: this is the last)."""

    labels: tuple[LabelCount, ...]
    cursor: str | None


def count_label(table: Table, name: str, image_id: str, step: int) -> dict[str, Any]:
    """A part of a transaction: an image with a label came (1) or went (-1)."""
    partition = _partition(COUNT_SHARDS[int(image_id[:2], 16) % len(COUNT_SHARDS)])
    return table.add_in_transaction(partition, keys.label_key(name), {"count": step}, name=name)


class LabelCounts:
    """The labels of the whole catalog."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def page(self, prefix: str, limit: int, cursor: str | None) -> LabelPage:
        """Labels whose name begins with a prefix, whatever the case, in the order of their names.

        Raises InvalidRequest for a cursor that is not one of this query's.
        """
        prefix = keys.label_key(prefix)
        fingerprint = hashlib.sha256(prefix.encode()).hexdigest()[:12]
        after = read_cursor(cursor, fingerprint) or ""
        names: dict[str, str] = {}
        counts: Counter[str] = Counter()
        for shard in COUNT_SHARDS:
            for item in self._items(shard, prefix, after, limit + 1):
                names[item["sk"]] = item["name"]
                counts[item["sk"]] += int(item["count"])
        # Beyond the first names of all the shards together a shard may not have been read.
        first = sorted(names)[: limit + 1]
        labels = tuple(LabelCount(names[key], counts[key]) for key in first[:limit] if counts[key])
        is_last = len(first) <= limit
        return LabelPage(labels, None if is_last else write_cursor(fingerprint, first[limit - 1]))

    def has_counted(self, label_key: str) -> bool:
        """Whether any image has a label of that key, or had it."""
        return any(self._table.get(_partition(shard), label_key) for shard in COUNT_SHARDS)

    def _items(self, shard: str, prefix: str, after: str, limit: int) -> list[dict[str, Any]]:
        return self._table.some_items(
            "pk = :pk AND sk BETWEEN :first AND :last",
            {
                ":pk": _partition(shard),
                # Nothing sorts between a text and itself with the least character behind it.
                ":first": f"{after}\0" if after else prefix or " ",
                ":last": f"{prefix}{_AFTER_ALL}",
            },
            limit,
        )


def _partition(shard: str) -> str:
    return f"LABELS#{shard}"
