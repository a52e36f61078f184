"""Usage of Rekognition per month: calls, images per feature, and features that cost no call.

`search_index` counts the calls, from the findings in the table's stream. A call is paid for but not
counted if the function is cut off between Rekognition's response and the write of its findings;
CloudWatch's metrics of Rekognition include it.
"""

from collections import Counter, defaultdict
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
    already known. `by_token` counts, per name of a token, the images recognized for each feature
    that it requested.
    """

    month: str
    operations: tuple[OperationUsage, ...]
    saved: Mapping[Feature, int]
    by_token: Mapping[str, Mapping[Feature, int]]

    @property
    def images(self) -> Mapping[Feature, int]:
        """The number of images recognized for each feature."""
        total: Counter[Feature] = Counter()
        for operation in self.operations:
            total.update(operation.images)
        return total


def month_of(moment: datetime) -> str:
    """The month of a moment, such as 2026-11; the moment is in UTC."""
    return f"{moment:%Y-%m}"


def usage_key(month: str, operation: str, shard: str, requested_by: str = "") -> tuple[str, str]:
    """The key of the item that counts an operation's calls in a month, in one of several shards.

    Each token that requests features has such items of its own.
    """
    of_token = f"#{requested_by}" if requested_by else ""
    return _partition(month), f"{operation}#{shard}{of_token}"


def price_of(images: Mapping[Feature, int], prices: Mapping[Feature, float]) -> float:
    """What it costs to recognize so many images for each feature.

    The result, and `prices` of one image each, are in US dollars.
    """
    return round(sum(prices[feature] * count for feature, count in images.items()), 6)


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
        images: defaultdict[str, Counter[Feature]] = defaultdict(Counter)
        by_token: defaultdict[str, Counter[Feature]] = defaultdict(Counter)
        for item in self._table.items("pk = :pk", {":pk": _partition(month)}):
            operation, _, shard_and_name = item["sk"].partition("#")
            name = shard_and_name.partition("#")[2]
            counted = {each: int(item[each]) for each in Feature if each in item}
            calls[operation] += int(item.get(CALLS, 0))
            images[operation].update(counted)
            if name:
                by_token[name].update(counted)
        saved = images.pop(SAVED, Counter())
        return MonthUsage(
            month,
            tuple(
                OperationUsage(operation, calls[operation], dict(images[operation]))
                for operation in sorted(images)
            ),
            dict(saved),
            {name: dict(counted) for name, counted in by_token.items()},
        )


def _partition(month: str) -> str:
    return f"USAGE#{month}"
