"""What the catalog relies on in a DynamoDB table."""

import pytest
from botocore.exceptions import ClientError

from chalicelib.aws.dynamodb_table import Table
from tests.helpers.memory import MemoryAws


@pytest.fixture
def table(aws: MemoryAws) -> Table:
    return Table(aws.client("dynamodb"), aws.table_name)


def item(sk: str, **values: object) -> dict[str, object]:
    return {"pk": "p", "sk": sk, **values}


def test_an_item_is_read_as_written_without_its_nones(table: Table) -> None:
    written = item("a", text="é", number=0.1, whole=3, yes=True, parts=[{"x": 1.5}], none=None)
    assert table.put(written)
    found = table.get("p", "a")
    assert found is not None
    assert "none" not in found
    assert (found["text"], float(found["number"]), int(found["whole"])) == ("é", 0.1, 3)
    assert found["yes"] is True
    assert [float(part["x"]) for part in found["parts"]] == [1.5]
    assert table.get("p", "b") is None


def test_a_put_whose_condition_fails_writes_nothing(table: Table) -> None:
    assert table.put(item("a", n=1), "attribute_not_exists(pk)")
    assert not table.put(item("a", n=2), "attribute_not_exists(pk)")
    assert not table.put(item("a", n=2), "n = :n", {":n": 7})
    assert (table.get("p", "a") or {})["n"] == 1
    assert table.put(item("a", n=2), "n = :n", {":n": 1})
    assert (table.get("p", "a") or {})["n"] == 2


def test_an_update_returns_the_item_whether_or_not_its_condition_holds(table: Table) -> None:
    table.put(item("a", n=1))
    held, after = table.update("p", "a", "SET t = :t ADD n :n", {":t": "x", ":n": 1}, "n < :n")
    assert (held, (after or {})["n"]) == (False, 1)
    held, after = table.update("p", "a", "SET t = :t ADD n :n", {":t": "x", ":n": 1}, "n <= :n")
    assert (held, (after or {})["n"], (after or {})["t"]) == (True, 2, "x")
    assert table.update("p", "b", "ADD n :n", {":n": 1}, "attribute_exists(pk)") == (False, None)
    assert table.get("p", "b") is None


def test_a_query_returns_all_items_in_sort_key_order(table: Table) -> None:
    names = [f"{number:04}" for number in range(300)]
    for name in reversed(names):
        table.put(item(name, filler="x" * 5000))  # more than a page of 1 MB
    assert [found["sk"] for found in table.items("pk = :pk", {":pk": "p"})] == names
    some = table.items(
        "pk = :pk AND sk BETWEEN :a AND :b", {":pk": "p", ":a": "0010", ":b": "0012"}, "sk, filler"
    )
    assert [found["sk"] for found in some] == ["0010", "0011", "0012"]
    first = table.some_items("pk = :pk", {":pk": "p"}, 2)
    assert [found["sk"] for found in first] == ["0000", "0001"]


def test_a_transaction_writes_all_its_parts_or_none(table: Table) -> None:
    table.put(item("a", n=1))
    table.put(item("b", n=1))
    parts = [
        table.put_in_transaction(item("c", n=1)),
        table.delete_in_transaction("p", "b"),
        table.add_in_transaction("p", "d", {"count": 2}, name="D"),
    ]
    refused = table.put_in_transaction(item("a", n=2), "n = :n", {":n": 7})
    assert not table.transact([*parts, refused])
    assert [found["sk"] for found in table.items("pk = :pk", {":pk": "p"})] == ["a", "b"]
    assert table.transact([*parts, table.put_in_transaction(item("a", n=2), "n = :n", {":n": 1})])
    assert [found["sk"] for found in table.items("pk = :pk", {":pk": "p"})] == ["a", "c", "d"]
    assert (table.get("p", "d") or {})["name"] == "D"


def test_add_increments_the_stored_numbers(table: Table) -> None:
    for _ in range(2):
        table.add("p", "count", {"LABELS": 1, "calls": 2})
    found = table.get("p", "count") or {}
    assert (found["LABELS"], found["calls"]) == (2, 4)


def test_an_item_over_400_kb_is_rejected(table: Table) -> None:
    with pytest.raises(ClientError, match=r"400 ?KB|size"):
        table.put(item("a", text="x" * 410 * 1024))
    assert table.get("p", "a") is None
