import json
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.api.responses import batch_values
from chalicelib.aws.dynamodb_table import Table, from_item
from chalicelib.intake.accept import Accepted
from chalicelib.intake.batches import (
    Batch,
    BatchEntry,
    Batches,
    BatchNotAccepted,
    parse_batch_entry,
)
from chalicelib.model.errors import FetchTimedOut, NotAnImage
from chalicelib.model.events import NotOurMessage
from chalicelib.model.findings import Feature
from chalicelib.model.image import Failure, Status
from tests.helpers.images import IMAGE_ID, PENDING

ENTRY = BatchEntry("b", 7, "https://example.com/cat.jpg", (Feature.TEXT,))


class FakeDynamoDb:
    """Records the items of PutItem."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []

    def put_item(self, TableName: str, Item: dict[str, Any]) -> None:  # noqa: N803 - boto3's names
        self.items.append(from_item(Item))


class FakeSqs:
    """Records the messages; refuses the entry with number `refused`."""

    def __init__(self, refused: int | None = None) -> None:
        self.messages: list[dict[str, Any]] = []
        self._refused = refused

    def send_message_batch(
        self,
        QueueUrl: str,  # noqa: N803 - boto3's names
        Entries: list[dict[str, str]],  # noqa: N803
    ) -> dict[str, Any]:
        assert len(Entries) <= 10
        assert len({entry["Id"] for entry in Entries}) == len(Entries)
        self.messages += [json.loads(entry["MessageBody"]) for entry in Entries]
        numbers = [message["number"] for message in self.messages]
        return {"Failed": [{"Id": "1"}]} if self._refused in numbers else {}


class FakeIntake:
    """Accepts every URL as the same image, or raises `error`."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    def accept_url(self, url: str, features: tuple[Feature, ...]) -> Accepted:
        assert features == ENTRY.features
        if self._error:
            raise self._error
        return Accepted(PENDING, is_new=True)


def batches(dynamodb: FakeDynamoDb, sqs: FakeSqs | None = None) -> Batches:
    return Batches(Table(dynamodb, "table"), sqs or FakeSqs(), "queue")


@pytest.mark.parametrize("size", [1, 10, 11, 1000])
def test_an_accepted_batch_has_every_url_in_the_queue(size: int) -> None:
    urls = [f"https://example.com/{number}.jpg" for number in range(size)]
    dynamodb, sqs = FakeDynamoDb(), FakeSqs()
    batch = batches(dynamodb, sqs).create(urls, (Feature.TEXT,))
    sent = sorted((parse_batch_entry(message) for message in sqs.messages), key=_number)
    assert [entry.url for entry in sent] == urls
    assert {entry.batch_id for entry in sent} == {batch.id}
    assert {entry.features for entry in sent} == {(Feature.TEXT,)}
    assert len(dynamodb.items) == 1
    assert dynamodb.items[0]["total"] == size


def test_a_batch_is_not_accepted_if_sqs_refuses_one_of_its_messages() -> None:
    with pytest.raises(BatchNotAccepted):
        batches(FakeDynamoDb(), FakeSqs(refused=13)).create(["https://example.com/"] * 20, ())


def test_the_entry_of_an_accepted_url_has_its_image_id() -> None:
    dynamodb = FakeDynamoDb()
    batches(dynamodb).take_in(ENTRY, FakeIntake(), last_attempt=False)  # type: ignore[arg-type]
    (item,) = dynamodb.items
    assert (item["pk"], item["sk"], item["image_id"]) == ("BATCH#b", "URL#0007", IMAGE_ID)


def test_the_entry_of_a_refused_url_has_the_code_and_message_at_once() -> None:
    dynamodb = FakeDynamoDb()
    intake = FakeIntake(NotAnImage("This is a web page."))
    batches(dynamodb).take_in(ENTRY, intake, last_attempt=False)  # type: ignore[arg-type]
    (item,) = dynamodb.items
    assert (item["code"], item["message"]) == ("NotAnImage", "This is a web page.")


def test_a_transient_error_is_a_failure_on_the_last_attempt_only() -> None:
    dynamodb = FakeDynamoDb()
    intake = FakeIntake(FetchTimedOut("Not fetched within 20 s."))
    with pytest.raises(FetchTimedOut):
        batches(dynamodb).take_in(ENTRY, intake, last_attempt=False)  # type: ignore[arg-type]
    assert dynamodb.items == []
    batches(dynamodb).take_in(ENTRY, intake, last_attempt=True)  # type: ignore[arg-type]
    assert dynamodb.items[0]["code"] == "FetchTimedOut"


def test_the_counts_of_a_batch_cover_every_url() -> None:
    entries = (
        BatchEntry("b", 0, "u0", image_id="recognized"),
        BatchEntry("b", 1, "u1", image_id="failed"),
        BatchEntry("b", 2, "u2", image_id="pending"),
        BatchEntry("b", 3, "u3", image_id="removed"),
        BatchEntry("b", 4, "u4", failure=Failure("NotAnImage", "A page.")),
    )
    statuses = {
        "recognized": Status.RECOGNIZED,
        "failed": Status.FAILED,
        "pending": Status.PENDING,
    }
    values = batch_values(Batch("b", datetime.now(UTC), 7, entries), statuses)
    counts = {name: values[name] for name in ("pending", "recognized", "failed", "removed")}
    assert counts == {"pending": 3, "recognized": 1, "failed": 2, "removed": 1}
    assert sum(counts.values()) == values["total"] == 7
    assert values["failures"] == [
        {"number": 4, "url": "u4", "code": "NotAnImage", "reason": "A page."}
    ]


@pytest.mark.parametrize("message", [{}, {"batch_id": "b"}, {"batch_id": "b", "number": "x"}])
def test_a_message_without_an_entry_is_not_ours(message: dict[str, Any]) -> None:
    with pytest.raises(NotOurMessage):
        parse_batch_entry(message)


def _number(entry: BatchEntry) -> int:
    return entry.number
