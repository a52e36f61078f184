"""One DynamoDB table, in plain values: reading, and writing under conditions."""

import random
import time
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

Values = dict[str, Any]
Item = Mapping[str, Any]  # attribute name to DynamoDB's typed value, as the boto3 client has it

_TRIES = 5

_serializer = TypeSerializer()
_deserializer = TypeDeserializer()


class Table:
    """A table with the keys `pk` and `sk`."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self.name = name

    def get(self, pk: str, sk: str) -> Values | None:
        """An item as of this moment."""
        answer = self._client.get_item(
            TableName=self.name, Key=to_item({"pk": pk, "sk": sk}), ConsistentRead=True
        )
        return from_item(answer["Item"]) if "Item" in answer else None

    def items(self, condition: str, values: Values, projection: str = "") -> Iterator[Values]:
        """The items of a partition that a key condition chooses, as of this moment, in order."""
        query: dict[str, Any] = {
            "TableName": self.name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": to_item(values),
            "ConsistentRead": True,
        }
        if projection:
            # Every word as an alias, because DynamoDB keeps many for itself.
            words = projection.split(", ")
            query["ProjectionExpression"] = ", ".join(f"#{word}" for word in words)
            query["ExpressionAttributeNames"] = {f"#{word}": word for word in words}
        for page in self._client.get_paginator("query").paginate(**query):
            yield from map(from_item, page["Items"])

    def some_items(self, condition: str, values: Values, limit: int) -> list[Values]:
        """The first items of a partition that a key condition chooses, in order."""
        answer = self._client.query(
            TableName=self.name,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=to_item(values),
            Limit=limit,
        )
        return [from_item(item) for item in answer["Items"]]

    def put(
        self, values: Values, condition: str = "", condition_values: Values | None = None
    ) -> bool:
        """Write a whole item; False, and nothing written, where the condition does not hold."""
        try:
            self._client.put_item(**self._put(values, condition, condition_values))
        except ClientError as error:
            if _condition_failed(error):
                return False
            raise
        return True

    def update(
        self, pk: str, sk: str, expression: str, values: Values, condition: str
    ) -> tuple[bool, Values | None]:
        """Change an item under a condition; whether it held, and the item as it is afterwards."""
        try:
            answer = self._client.update_item(
                TableName=self.name,
                Key=to_item({"pk": pk, "sk": sk}),
                UpdateExpression=expression,
                ConditionExpression=condition,
                ExpressionAttributeValues=to_item(values),
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if not _condition_failed(error):
                raise
            item = error.response.get("Item")
            return False, from_item(item) if item else None
        return True, from_item(answer["Attributes"])

    def put_in_transaction(
        self, values: Values, condition: str = "", condition_values: Values | None = None
    ) -> Values:
        """A part of `transact`: write a whole item."""
        return {"Put": self._put(values, condition, condition_values)}

    def delete_in_transaction(
        self, pk: str, sk: str, condition: str = "", condition_values: Values | None = None
    ) -> Values:
        """A part of `transact`: delete an item."""
        delete = {"TableName": self.name, "Key": to_item({"pk": pk, "sk": sk})}
        return {"Delete": delete | _conditional(condition, condition_values)}

    def add_in_transaction(
        self, pk: str, sk: str, numbers: Mapping[str, int], **texts: str
    ) -> Values:
        """A part of `transact`: add to the numbers of an item, and set its texts."""
        return {"Update": self._add(pk, sk, numbers, texts)}

    def transact(self, parts: list[Values]) -> bool:
        """Write all of the parts (at most 100), or none: False where a condition does not hold.

        Another transaction on one of the items at the same moment is waited for.
        """
        for number in range(_TRIES):
            try:
                self._client.transact_write_items(TransactItems=parts)
            except self._client.exceptions.TransactionCanceledException as error:
                reasons = {reason.get("Code") for reason in error.response["CancellationReasons"]}
                if "ConditionalCheckFailed" in reasons:
                    return False
                if "TransactionConflict" not in reasons or number == _TRIES - 1:
                    raise
                _pause(number)
            else:
                return True
        raise AssertionError("The last try returns or raises.")

    def add(self, pk: str, sk: str, numbers: Mapping[str, int]) -> None:
        """Add to the numbers of an item."""
        for number in range(_TRIES):
            try:
                self._client.update_item(**self._add(pk, sk, numbers, {}))
            except self._client.exceptions.TransactionConflictException:
                if number == _TRIES - 1:
                    raise
                _pause(number)
            else:
                return

    def _put(self, values: Values, condition: str, condition_values: Values | None) -> Values:
        put = {"TableName": self.name, "Item": to_item(values)}
        return put | _conditional(condition, condition_values)

    def _add(
        self, pk: str, sk: str, numbers: Mapping[str, int], texts: Mapping[str, str]
    ) -> Values:
        adds = ", ".join(f"#{name} :{name}" for name in numbers)
        sets = ", ".join(f"#{name} = :{name}" for name in texts)
        every = {**numbers, **texts}
        return {
            "TableName": self.name,
            "Key": to_item({"pk": pk, "sk": sk}),
            "UpdateExpression": f"ADD {adds}" + (f" SET {sets}" if sets else ""),
            "ExpressionAttributeNames": {f"#{name}": name for name in every},
            "ExpressionAttributeValues": to_item({f":{name}": every[name] for name in every}),
        }


def _pause(number: int) -> None:
    """Some milliseconds, more each time, and not the same for two who met."""
    time.sleep(random.uniform(0, 0.05 * 2**number))  # noqa: S311 - no secret


def _conditional(condition: str, values: Values | None) -> Values:
    request: Values = {}
    if condition:
        request["ConditionExpression"] = condition
    if values:
        request["ExpressionAttributeValues"] = to_item(values)
    return request


def _condition_failed(error: ClientError) -> bool:
    return bool(error.response["Error"]["Code"] == "ConditionalCheckFailedException")


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
