"""Usage of Rekognition per month: calls, images per feature, and features that cost no call.

`search_index` counts the calls, from the findings in the table's stream. A call is paid for but not
counted if the function is cut off between Rekognition's response and the write of its findings;
CloudWatch's metrics of Rekognition include it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from chalicelib.aws.dynamodb_table import Table
from chalicelib.catalog.keys import shard_of
from chalicelib.model.findings import Feature

CALLS = "calls"
SAVED = "SAVED"


@dataclass(frozen=True)
class OperationUsage:
    """The number of calls of an operation, and of the images recognized for each feature."""

    operation: str
    calls: int
    images: Mapping[Feature, int]


@dataclass(frozen=True)
class MonthUsage:
    """The usage in a month such as 2026-11, in UTC.

    `saved` counts, per feature, the requests that needed no new call because the feature was
    already known.
    """

    month: str
    operations: tuple[OperationUsage, ...]
    saved: Mapping[Feature, int]


def month_of(moment: datetime) -> str:
    """The month of a moment, such as 2026-11; the moment is in UTC."""
    return f"{moment:%Y-%m}"


def usage_key(month: str, operation: str, shard: str) -> tuple[str, str]:
    """The key of the item that counts an operation's calls in a month, in one of several shards."""
    return _partition(month), f"{operation}#{shard}"


class Usage:
    """The usage of Rekognition by one stage."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def count_saved(self, features: Iterable[Feature], image_id: str, now: datetime) -> None:
        """Count requested features that needed no call because they are already known."""
        numbers = {feature.value: 1 for feature in features}
        if numbers:
            self._table.add(_partition(month_of(now)), f"{SAVED}#{shard_of(image_id)}", numbers)

    def of_month(self, month: str) -> MonthUsage:
        """The usage in a month such as 2026-11; empty if nothing was counted."""
        calls: Counter[str] = Counter()
        images: dict[str, Counter[Feature]] = {}
        for item in self._table.items("pk = :pk", {":pk": _partition(month)}):
            operation = item["sk"].partition("#")[0]
            calls[operation] += int(item.get(CALLS, 0))
            counted = images.setdefault(operation, Counter())
            counted.update({each: int(item[each]) for each in Feature if each in item})
        saved = images.pop(SAVED, Counter())
        return MonthUsage(
            month,
            tuple(
                OperationUsage(operation, calls[operation], dict(images[operation]))
                for operation in sorted(images)
            ),
            dict(saved),
        )


def _partition(month: str) -> str:
    return f"USAGE#{month}"
