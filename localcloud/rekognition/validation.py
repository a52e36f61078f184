"""Validates against the service model: required members, ranges, lengths, patterns, enums.

botocore checks only lower limits, and only in the client; AWS checks all constraints in the service
and responds with ValidationException. Responses are validated too, because one that violates the
model would be a fault of this server.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from botocore.model import ListShape, Shape, StringShape, StructureShape

from localcloud.rekognition.protocol import ServiceError


def validate_request(request: Mapping[str, Any], shape: StructureShape) -> None:
    """Raise ServiceError ValidationException, with all violations in one message, as AWS does."""
    violations = list(_violations(request, shape, ""))
    if violations:
        count = len(violations)
        errors = "error" if count == 1 else "errors"
        raise ServiceError(
            "ValidationException",
            f"{count} validation {errors} detected: {'; '.join(violations)}",
        )


def validate_response(response: dict[str, Any], shape: StructureShape) -> None:
    """Raise ServiceError InternalServerError if a response violates the model."""
    violations = list(_violations(response, shape, ""))
    violations.extend(_unknown_members(response, shape, ""))
    if violations:
        raise ServiceError(
            "InternalServerError", f"The response violates its model: {'; '.join(violations)}", 500
        )


def _violations(value: Any, shape: Shape, path: str) -> Iterator[str]:
    for constraint in _broken_constraints(value, shape):
        shown = "<bytes>" if isinstance(value, bytes) else value
        yield f"Value {str(shown)[:200]!r} at '{path}' failed to satisfy constraint: {constraint}"
    if isinstance(shape, StructureShape):
        for name in shape.required_members:
            if name not in value:
                yield (
                    f"Value null at '{_join(path, name)}' failed to satisfy constraint: "
                    "Member must not be null"
                )
        for name, member in value.items():
            if name in shape.members:
                yield from _violations(member, shape.members[name], _join(path, name))
    elif isinstance(shape, ListShape):
        for position, item in enumerate(value, 1):
            yield from _violations(item, shape.member, f"{path}.{position}.member")


def _broken_constraints(value: Any, shape: Shape) -> Iterator[str]:
    limits = shape.metadata
    if shape.type_name in ("integer", "long", "float", "double"):
        measured, quantity = value, "value"
    elif shape.type_name in ("string", "blob", "list"):
        measured, quantity = len(value), "length"
    else:
        return
    if "min" in limits and measured < limits["min"]:
        yield f"Member must have {quantity} greater than or equal to {limits['min']}"
    if "max" in limits and measured > limits["max"]:
        yield f"Member must have {quantity} less than or equal to {limits['max']}"
    if isinstance(shape, StringShape):
        if shape.enum and value not in shape.enum:
            yield f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"
        if "pattern" in limits and not re.fullmatch(limits["pattern"], value):
            yield f"Member must satisfy regular expression pattern: {limits['pattern']}"


def _unknown_members(value: Any, shape: Shape, path: str) -> Iterator[str]:
    if isinstance(shape, StructureShape):
        for name, member in value.items():
            if name in shape.members:
                yield from _unknown_members(member, shape.members[name], _join(path, name))
            else:
                yield f"'{_join(path, name)}' is not in the model"
    elif isinstance(shape, ListShape):
        for position, item in enumerate(value, 1):
            yield from _unknown_members(item, shape.member, f"{path}.{position}.member")


def _join(path: str, name: str) -> str:
    """Append a member to a path, in lower camel case as AWS shows it: image.s3Object.bucket."""
    lower = name[0].lower() + name[1:]
    return f"{path}.{lower}" if path else lower
