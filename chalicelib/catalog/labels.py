"""The number of images that have each label, by its own name.

`search_index` counts, from the table's stream. Each batch of changes chooses one of COUNT_SHARDS,
so that batches that are processed at the same time rarely write the same item. Only the sum over
all shards means something: an image may be counted in one shard and taken off in another.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

from chalicelib.aws.dynamodb_table import Table
from chalicelib.catalog import keys
from chalicelib.catalog.cursors import read_cursor, write_cursor

COUNT_SHARDS = tuple("01234567")

_LAST_CHARACTER = chr(0x10FFFF)  # sorts after every other character


@dataclass(frozen=True)
class LabelCount:
    """A label and the number of images that have it."""

    name: str
    count: int


@dataclass(frozen=True)
class LabelPage:
    """One page of labels in the order of their names; `cursor` is None on the last page."""

    labels: tuple[LabelCount, ...]
    cursor: str | None


def label_count_key(name: str, shard: str) -> tuple[str, str]:
    """The key of the item that counts a label's images in one of COUNT_SHARDS."""
    return _partition(shard), keys.label_key(name)


class LabelCounts:
    """The number of images per label, over the whole catalog."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def page(self, prefix: str, limit: int, cursor: str | None) -> LabelPage:
        """One page of the labels whose name begins with a prefix, regardless of case.

        Labels that no image has any more are left out, so a page that is not the last may have
        fewer than `limit` labels. Raises InvalidRequest for a damaged cursor and one of another
        prefix.
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
        # At most limit + 1 names of each shard were read, so only the first limit + 1 are complete.
        first = sorted(names)[: limit + 1]
        labels = tuple(LabelCount(names[key], counts[key]) for key in first[:limit] if counts[key])
        is_last = len(first) <= limit
        return LabelPage(labels, None if is_last else write_cursor(fingerprint, first[limit - 1]))

    def has_counted(self, label_key: str) -> bool:
        """Whether any image has, or has had, a label with this key."""
        return any(self._table.get(_partition(shard), label_key) for shard in COUNT_SHARDS)

    def _items(self, shard: str, prefix: str, after: str, limit: int) -> list[dict[str, Any]]:
        # No text sorts between `after` and `after` followed by the least character.
        first = f"{after}\0" if after else prefix or " "
        last = f"{prefix}{_LAST_CHARACTER}"
        if first > last:  # a forged cursor; DynamoDB would refuse it
            return []
        return self._table.some_items(
            "pk = :pk AND sk BETWEEN :first AND :last",
            {":pk": _partition(shard), ":first": first, ":last": last},
            limit,
        )


def _partition(shard: str) -> str:
    return f"LABELS#{shard}"
