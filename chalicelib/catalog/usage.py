"""What Rekognition was asked, month by month: calls, images a feature, and what identity saved.

A call is counted in the transaction that writes its result, so a repetition is never counted twice.
What was paid but never written (the function was cut off between the answer and the write) is not
counted: CloudWatch's metrics of Rekognition have it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib.aws.dynamodb_table import Table
from chalicelib.catalog.keys import shard_of
from chalicelib.model.findings import Feature, RekognitionCall

CALLS = "calls"
SAVED = "SAVED"


@dataclass(frozen=True)
class OperationUsage:
    """Calls of one operation, and for how many images each of its features was told."""

    operation: str
    calls: int
    images: Mapping[Feature, int]


@dataclass(frozen=True)
class MonthUsage:
    """A month such as 2026-11, in UTC. `saved` counts the features that were asked and known."""

    month: str
    operations: tuple[OperationUsage, ...]
    saved: Mapping[Feature, int]


def month_of(moment: datetime) -> str:
    """The month in which something is counted."""
    return f"{moment:%Y-%m}"


def count_call(
    table: Table, question: RekognitionCall, image_id: str, now: datetime
) -> dict[str, Any]:
    """A part of a transaction: one call was made."""
    numbers = {CALLS: 1, **{feature.value: 1 for feature in question.features}}
    return table.add_in_transaction(
        _partition(month_of(now)), f"{question.operation}#{shard_of(image_id)}", numbers
    )


class Usage:
    """The counts of one stage."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def count_saved(self, features: Iterable[Feature], image_id: str, now: datetime) -> None:
        """Count features that were asked and known already, so that nobody had to be paid."""
        numbers = {feature.value: 1 for feature in features}
        if numbers:
            self._table.add(_partition(month_of(now)), f"{SAVED}#{shard_of(image_id)}", numbers)

    def of_month(self, month: str) -> MonthUsage:
        """What was counted in a month."""
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
