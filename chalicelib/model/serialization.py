"""Converts the model's dataclasses to plain values, for JSON, XML and DynamoDB, and back.

Plain values are texts, numbers, booleans, None, lists, and dicts whose keys are the names of the
fields. A time becomes RFC 3339 text in UTC.
"""

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

Kind = TypeVar("Kind")


def timestamp(moment: datetime) -> str:
    """A time as RFC 3339 text in UTC with microseconds, so that the texts sort like the times."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def to_plain(value: Any) -> Any:
    """A dataclass, or a value that one contains, as plain values in the order of the fields."""
    match value:
        case Enum():
            return value.value
        case datetime():
            return timestamp(value)
        case Mapping():
            return {name: to_plain(part) for name, part in value.items()}
        case tuple() | list() | set() | frozenset():
            return [to_plain(part) for part in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    return value


def from_plain(kind: type[Kind], values: Mapping[str, Any]) -> Kind:
    """The inverse of `to_plain`: an instance of the dataclass `kind`.

    A missing field gets its default. Raises KeyError for a name that is not a field, and TypeError
    for a missing field without a default.
    """
    hints = _hints(cast(Any, kind))
    return kind(**{name: _part(hints[name], part) for name, part in values.items()})


def _part(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    if get_origin(hint) in (Union, types.UnionType):
        (hint,) = (each for each in get_args(hint) if each is not types.NoneType)
    if get_origin(hint) is tuple:
        return tuple(_part(get_args(hint)[0], part) for part in value)
    if is_dataclass(hint) and isinstance(hint, type):
        return from_plain(hint, value)
    if hint is datetime:
        return datetime.fromisoformat(value)
    return hint(value)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
