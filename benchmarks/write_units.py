"""DynamoDB's rules for write units, as pure functions of an item before and after a write.

A write costs a unit per started KB of the larger of the old and the new item, and twice that in a
transaction. In addition it costs each index: nothing if the item's entry stays as it is or was and
is not in it, a unit per started KB for an entry that appears, disappears or changes in place, and
both if its key changes, because DynamoDB deletes one entry and writes another. An index is written
after a transaction, so it does not cost twice. A condition that does not hold costs as much as a
write that leaves the item as it is. These are the rules by which the emulator returns
ConsumedCapacity; tests/local/test_write_cost.py compares the two.
"""

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TABLE = "table"  # the units of the table itself, beside those of each index

Item = Mapping[str, Any]  # attribute names to typed values


@dataclass(frozen=True)
class Index:
    """A secondary index. `attributes` are those of an entry, or None if an entry has them all."""

    name: str
    keys: tuple[str, ...]
    attributes: frozenset[str] | None

    def entry(self, item: Item | None) -> Item | None:
        """The entry of an item, or None if the index has none of it."""
        if item is None or any(key not in item for key in self.keys):
            return None
        if self.attributes is None:
            return item
        return {name: value for name, value in item.items() if name in self.attributes}

    def units(self, before: Item | None, after: Item | None) -> int:
        """The units that a change of an item costs this index."""
        old, new = self.entry(before), self.entry(after)
        if old is None or new is None:
            return sum(started_kilobytes(each) for each in (old, new) if each is not None)
        if any(old[key] != new[key] for key in self.keys):
            return started_kilobytes(old) + started_kilobytes(new)
        return 0 if old == new else max(started_kilobytes(old), started_kilobytes(new))


@dataclass(frozen=True)
class WrittenTable:
    """A table: the names of its key's attributes, and its indexes."""

    name: str
    keys: tuple[str, ...]
    indexes: tuple[Index, ...]

    @classmethod
    def of(cls, description: Mapping[str, Any]) -> "WrittenTable":
        """Read the `Table` of DescribeTable's response."""
        keys = _key_names(description)
        return cls(
            description["TableName"],
            keys,
            tuple(_index(each, keys) for each in description.get("GlobalSecondaryIndexes", ())),
        )

    def key_of(self, item: Item) -> dict[str, Any]:
        """The key of an item."""
        return {name: item[name] for name in self.keys}

    def units(
        self, before: Item | None, after: Item | None, *, in_transaction: bool
    ) -> dict[str, int]:
        """The units that a write costs, by index, and for TABLE; without those that are 0."""
        larger = max(started_kilobytes(before or {}), started_kilobytes(after or {}))
        units = {TABLE: 2 * larger if in_transaction else larger}
        units |= {index.name: index.units(before, after) for index in self.indexes}
        return {name: number for name, number in units.items() if number}


def _key_names(description: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(key["AttributeName"] for key in description["KeySchema"])


def _index(description: Mapping[str, Any], table_keys: tuple[str, ...]) -> Index:
    keys, projection = _key_names(description), description["Projection"]
    attributes = None
    if projection["ProjectionType"] != "ALL":
        attributes = frozenset({*keys, *table_keys, *projection.get("NonKeyAttributes", ())})
    return Index(description["IndexName"], keys, attributes)


def started_kilobytes(item: Item) -> int:
    """The units of writing an item once: its started KB, at least 1."""
    return max(1, math.ceil(item_size(item) / 1024))


def item_size(item: Item) -> int:
    """An item's size in bytes: the names and values of its attributes."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(typed: Mapping[str, Any]) -> int:
    ((kind, value),) = typed.items()
    match kind:
        case "S":
            return len(value.encode())
        case "N":
            return _number_size(value)
        case "B":
            return len(base64.b64decode(value) if isinstance(value, str) else value)
        case "BOOL" | "NULL":
            return 1
        case "L":
            return 3 + sum(1 + _value_size(each) for each in value)
        case "M":
            return 3 + len(value) + item_size(value)
        case "SS" | "NS" | "BS":
            return sum(_value_size({kind[0]: each}) for each in value)
    raise ValueError(f"DynamoDB has no type {kind!r}.")


def _number_size(text: str) -> int:
    """A byte per two significant digits, one more for the exponent, and one for a minus sign."""
    mantissa, _, exponent = text.lower().lstrip("+-").partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    significant = digits.rstrip("0")
    if not significant:
        return 1
    lowest = int(exponent or 0) - len(fraction) + len(digits) - len(significant)
    pairs = math.ceil((len(significant) + lowest % 2) / 2)  # digits are paired from the point on
    return 1 + pairs + text.startswith("-")
