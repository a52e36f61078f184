"""Reads and conditional writes of one DynamoDB table, in plain values."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as EndpointError

from chalicelib.aws.retries import back_off, with_retries

Values = dict[str, Any]
Item = Mapping[str, Any]  # attribute names to DynamoDB's typed values, as the boto3 client has them

# Ten attempts with the pauses of `_pause` take about 5 seconds, on top of botocore's own attempts.
_MAX_ATTEMPTS = 10

# Errors that say nothing about the item: another attempt can succeed. DynamoDB's list:
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
_TEMPORARY = {
    "InternalServerError",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingException",
    "TransactionConflictException",
    "TransactionInProgressException",
}
# Why a transaction was cancelled, where another attempt can succeed.
_TEMPORARY_REASONS = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}

_BATCH_WRITE_ITEMS = 25  # DynamoDB's limits per call
_BATCH_GET_ITEMS = 100

_serializer = TypeSerializer()
_deserializer = TypeDeserializer()


class WritesUnprocessed(Exception):
    """Raised when DynamoDB keeps leaving writes of a batch unprocessed."""


class Table:
    """A table with the partition key `pk` and the sort key `sk`.

    Values are plain: texts, numbers, booleans, lists and dicts. Numbers that are read are Decimals.
    Methods raise botocore's ClientError. Writes that DynamoDB throttles, or that conflict with a
    transaction, are attempted ten times before that.
    """

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self.name = name

    def get(self, pk: str, sk: str) -> Values | None:
        """An item, read with strong consistency, or None if there is none."""
        response = self._client.get_item(
            TableName=self.name, Key=to_item({"pk": pk, "sk": sk}), ConsistentRead=True
        )
        return from_item(response["Item"]) if "Item" in response else None

    def items(self, condition: str, values: Values, projection: str = "") -> Iterator[Values]:
        """All items that match a key condition, in the order of their sort keys.

        Reads with strong consistency. `projection` lists the attributes to read, separated by a
        comma and a space; without it, items have all their attributes.
        """
        query: dict[str, Any] = {
            "TableName": self.name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": to_item(values),
            "ConsistentRead": True,
        }
        if projection:
            # Every name gets a placeholder, because DynamoDB reserves many words.
            names = projection.split(", ")
            query["ProjectionExpression"] = ", ".join(f"#{name}" for name in names)
            query["ExpressionAttributeNames"] = {f"#{name}": name for name in names}
        for page in self._client.get_paginator("query").paginate(**query):
            yield from map(from_item, page["Items"])

    def some_items(
        self, condition: str, values: Values, limit: int, index: str | None = None
    ) -> list[Values]:
        """The first items that match a key condition, at most `limit`, by ascending sort key.

        Reads the table or one of its indexes with eventual consistency.
        """
        response = self._client.query(
            TableName=self.name,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=to_item(values),
            Limit=limit,
            **({"IndexName": index} if index else {}),
        )
        return [from_item(item) for item in response["Items"]]

    def put(
        self, values: Values, condition: str = "", condition_values: Values | None = None
    ) -> bool:
        """Write a whole item; return False and write nothing if the condition does not hold."""
        request = self._put(values, condition, condition_values)
        try:
            _with_retries(lambda: self._client.put_item(**request))
        except ClientError as error:
            if _condition_failed(error):
                return False
            raise
        return True

    def update(
        self, pk: str, sk: str, expression: str, values: Values, condition: str
    ) -> tuple[bool, Values | None]:
        """Change an item if a condition holds.

        Returns whether it held, and the item: after the change if it held, else unchanged. The item
        is None if it does not exist.
        """
        request: Values = {
            "TableName": self.name,
            "Key": to_item({"pk": pk, "sk": sk}),
            "UpdateExpression": expression,
            "ConditionExpression": condition,
            "ExpressionAttributeValues": to_item(values),
            "ReturnValues": "ALL_NEW",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        try:
            response = _with_retries(lambda: self._client.update_item(**request))
        except ClientError as error:
            if not _condition_failed(error):
                raise
            item = error.response.get("Item")
            return False, from_item(item) if item else None
        return True, from_item(response["Attributes"])

    def delete(self, pk: str, sk: str, condition: str, condition_values: Values) -> bool:
        """Delete an item if a condition holds; returns whether it held."""
        request = self.delete_in_transaction(pk, sk, condition, condition_values)["Delete"]
        try:
            _with_retries(lambda: self._client.delete_item(**request))
        except ClientError as error:
            if _condition_failed(error):
                return False
            raise
        return True

    def put_in_transaction(
        self, values: Values, condition: str = "", condition_values: Values | None = None
    ) -> Values:
        """An action for `transact` that writes a whole item."""
        return {"Put": self._put(values, condition, condition_values)}

    def delete_in_transaction(
        self, pk: str, sk: str, condition: str = "", condition_values: Values | None = None
    ) -> Values:
        """An action for `transact` that deletes an item."""
        delete = {"TableName": self.name, "Key": to_item({"pk": pk, "sk": sk})}
        return {"Delete": delete | _conditional(condition, condition_values)}

    def add_in_transaction(
        self, pk: str, sk: str, numbers: Mapping[str, int], **texts: str
    ) -> Values:
        """An action for `transact` that adds to numeric attributes and sets text attributes.

        DynamoDB creates the item, and starts each number at 0, if it does not exist.
        """
        return {"Update": self._add(pk, sk, numbers, texts)}

    def transact(self, actions: list[Values]) -> bool:
        """Carry out all of the actions, at most 100, or none of them.

        Returns False if the condition of an action does not hold. All attempts carry one
        ClientRequestToken, so that one that follows a lost response has no second effect.
        """
        request = {"TransactItems": actions, "ClientRequestToken": uuid.uuid4().hex}
        try:
            _with_retries(lambda: self._client.transact_write_items(**request))
        except self._client.exceptions.TransactionCanceledException as error:
            if "ConditionalCheckFailed" in _cancellation_reasons(error):
                return False
            raise
        return True

    def add(self, pk: str, sk: str, numbers: Mapping[str, int]) -> None:
        """Add to numeric attributes of an item, which is created if it does not exist."""
        request = self._add(pk, sk, numbers, {})
        _with_retries(lambda: self._client.update_item(**request), is_repeatable=False)

    def write_batch(self, puts: Iterable[Values], deletes: Iterable[tuple[str, str]] = ()) -> None:
        """Write whole items and delete others by their keys, in calls of 25 and in no order.

        The keys must all differ. It is no transaction: if it raises, some may be written. Attempts
        what DynamoDB leaves unprocessed again, then raises WritesUnprocessed.
        """
        requests: list[Values] = [
            *({"PutRequest": {"Item": to_item(values)}} for values in puts),
            *({"DeleteRequest": {"Key": to_item({"pk": pk, "sk": sk})}} for pk, sk in deletes),
        ]
        attempt = 0
        while requests:
            some, requests = requests[:_BATCH_WRITE_ITEMS], requests[_BATCH_WRITE_ITEMS:]
            items = {self.name: some}
            response = _with_retries(partial(self._client.batch_write_item, RequestItems=items))
            unprocessed = response.get("UnprocessedItems", {}).get(self.name, [])
            if unprocessed:
                if attempt == _MAX_ATTEMPTS - 1:
                    raise WritesUnprocessed(f"{len(unprocessed)} writes were left unprocessed.")
                _pause(attempt)
                attempt += 1
                requests = [*unprocessed, *requests]

    def get_batch(
        self, item_keys: Iterable[tuple[str, str]], *, is_consistent: bool = True
    ) -> Iterator[Values]:
        """The items with these keys that exist, in no order.

        Reads with strong consistency, or at half the cost with eventual consistency.
        """
        consistency = {"ConsistentRead": True} if is_consistent else {}
        pending = [to_item({"pk": pk, "sk": sk}) for pk, sk in dict.fromkeys(item_keys)]
        attempt = 0
        while pending:
            some, pending = pending[:_BATCH_GET_ITEMS], pending[_BATCH_GET_ITEMS:]
            items = {self.name: {"Keys": some, **consistency}}
            response = _with_retries(partial(self._client.batch_get_item, RequestItems=items))
            yield from map(from_item, response["Responses"][self.name])
            unprocessed = response.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys", [])
            if unprocessed:
                _pause(attempt)
                attempt += 1
                pending += unprocessed

    def _put(self, values: Values, condition: str, condition_values: Values | None) -> Values:
        put = {"TableName": self.name, "Item": to_item(values)}
        return put | _conditional(condition, condition_values)

    def _add(
        self, pk: str, sk: str, numbers: Mapping[str, int], texts: Mapping[str, str]
    ) -> Values:
        adds = ", ".join(f"#{name} :{name}" for name in numbers)
        sets = ", ".join(f"#{name} = :{name}" for name in texts)
        attributes = {**numbers, **texts}
        return {
            "TableName": self.name,
            "Key": to_item({"pk": pk, "sk": sk}),
            "UpdateExpression": f"ADD {adds}" + (f" SET {sets}" if sets else ""),
            "ExpressionAttributeNames": {f"#{name}": name for name in attributes},
            "ExpressionAttributeValues": to_item(
                {f":{name}": value for name, value in attributes.items()}
            ),
        }


def _with_retries(call: Callable[[], Any], *, is_repeatable: bool = True) -> Any:
    """The response of a call; while it fails with a temporary error, up to 10 attempts.

    A call that is not `is_repeatable` is not made again if its response is lost.
    """

    def is_temporary(error: Exception) -> bool:
        if isinstance(error, ClientError):
            return _is_temporary(error)
        return is_repeatable and isinstance(error, (HTTPClientError, EndpointError))

    return with_retries(call, is_temporary, _MAX_ATTEMPTS, _pause)


def _is_temporary(error: ClientError) -> bool:
    reasons = _cancellation_reasons(error)
    if reasons:
        return "ConditionalCheckFailed" not in reasons and bool(reasons & _TEMPORARY_REASONS)
    return error.response["Error"]["Code"] in _TEMPORARY


def _cancellation_reasons(error: ClientError) -> set[str]:
    reasons: Any = error.response.get("CancellationReasons", [])
    return {reason.get("Code", "None") for reason in reasons}


def _pause(attempt: int) -> None:
    back_off(attempt, first_seconds=0.05, longest_seconds=2)


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
    """Convert plain values to DynamoDB's typed values; drops None, also inside dicts."""
    return {
        name: _serializer.serialize(_numbers_as_decimals(value))
        for name, value in values.items()
        if value is not None
    }


def from_item(item: Item) -> dict[str, Any]:
    """Convert DynamoDB's typed values to plain values; numbers become Decimals."""
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
