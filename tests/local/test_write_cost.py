"""The rules of benchmarks/write_units.py against the ConsumedCapacity that the emulator returns."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.write_units import TABLE, WrittenTable, item_size, started_kilobytes
from chalicelib.aws.dynamodb_table import to_item
from tests.helpers.bare_emulator import BareEmulator, bare_emulator

SEED = 10
KEYS = [{"pk": {"S": "IMAGE#1"}, "sk": {"S": f"LABEL#{number}"}} for number in range(6)]


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareEmulator]:
    with bare_emulator(tmp_path_factory.mktemp("write-units")) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def client(emulator: BareEmulator) -> Any:
    return emulator.client("dynamodb")


@pytest.fixture(scope="module")
def table(client: Any) -> WrittenTable:
    """A table with an index of each projection, and a key that is shared by two indexes."""

    def index(name: str, key: str, **projection: Any) -> dict[str, Any]:
        schema = [("shard", "HASH"), (key, "RANGE")]
        return {
            "IndexName": name,
            "KeySchema": [{"AttributeName": each, "KeyType": kind} for each, kind in schema],
            "Projection": projection,
        }

    names = ("pk", "sk", "shard", "time_key", "best_key")
    response = client.create_table(
        TableName="measured",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        GlobalSecondaryIndexes=[
            index("of_keys", "time_key", ProjectionType="KEYS_ONLY"),
            index("of_all", "best_key", ProjectionType="ALL"),
            index("of_some", "best_key", ProjectionType="INCLUDE", NonKeyAttributes=["name"]),
        ],
    )
    return WrittenTable.of(response["TableDescription"])


def an_item(chance: random.Random) -> dict[str, Any]:
    """An item of up to 3 KB, in some of the indexes, and often with the key of one that exists."""
    optional = {
        "shard": chance.choice("ab"),
        "time_key": chance.choice("12"),
        "best_key": chance.choice("34"),
        "name": "n" * chance.choice((1, 1200)),
        "rest": {"text": "ü" * chance.choice((1, 500)), "list": [1, -2.5, True, 1e30]},
    }
    kept = {name: value for name, value in optional.items() if chance.random() < 0.7}
    return {**chance.choice(KEYS), **to_item(kept)}


def consumed(capacity: dict[str, Any]) -> dict[str, float]:
    """The units of one ConsumedCapacity, by index."""
    indexes = capacity.get("GlobalSecondaryIndexes", {})
    units = {name: each["CapacityUnits"] for name, each in indexes.items()}
    return {TABLE: capacity["CapacityUnits"] - sum(units.values())} | units


@pytest.mark.parametrize("in_transaction", [False, True])
def test_the_units_of_a_write_are_those_that_the_emulator_returns(
    client: Any, table: WrittenTable, *, in_transaction: bool
) -> None:
    chance = random.Random(SEED)  # noqa: S311 - no secret
    seen = set()
    for _ in range(150):
        after: dict[str, Any] | None = an_item(chance)
        assert after is not None
        key = table.key_of(after)
        before = client.get_item(TableName=table.name, Key=key, ConsistentRead=True).get("Item")
        arguments: dict[str, Any] = {"TableName": table.name, "Item": after}
        operation = "Put"
        if chance.random() < 0.3:
            operation, after = "Delete", None
            arguments = {"TableName": table.name, "Key": key}
        if in_transaction:
            response = client.transact_write_items(
                TransactItems=[{operation: arguments}], ReturnConsumedCapacity="INDEXES"
            )
            (capacity,) = response["ConsumedCapacity"]
        else:
            write = client.put_item if operation == "Put" else client.delete_item
            response = write(**arguments, ReturnConsumedCapacity="INDEXES")
            capacity = response["ConsumedCapacity"]
        units = table.units(before, after, in_transaction=in_transaction)
        assert units == consumed(capacity), (before, after)
        seen.add(tuple(units.values()))
    assert len(seen) > 10  # the writes differed in what they cost


def test_the_size_of_an_item_counts_names_values_and_the_structure_around_them() -> None:
    assert item_size({"pk": {"S": "ü"}}) == 2 + 2
    assert item_size({"a": {"N": "0"}}) == 1 + 1
    assert item_size({"a": {"N": "-12345"}}) == 1 + 1 + 3 + 1
    assert item_size({"a": {"N": "100"}}) == 1 + 1 + 1
    assert item_size({"a": {"N": "10"}}) == 1 + 1 + 1
    assert item_size({"a": {"BOOL": True}}) == 1 + 1
    assert item_size({"a": {"L": [{"S": "b"}, {"S": "c"}]}}) == 1 + 3 + 2 * 2
    assert item_size({"a": {"M": {"b": {"S": "c"}}}}) == 1 + 3 + 1 + 1 + 1
    assert item_size({"a": {"SS": ["b", "cd"]}}) == 1 + 3
    assert item_size({"a": {"B": "AAAA"}}) == 1 + 3


def test_a_kilobyte_that_has_started_is_a_unit() -> None:
    assert [started_kilobytes({"a": {"S": "b" * size}}) for size in (0, 1023, 1024, 2048)] == [
        1,
        1,
        2,
        3,
    ]
