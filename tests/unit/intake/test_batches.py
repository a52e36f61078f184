import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import Stubber

from chalicelib.api.responses import batch_values
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
from tests.helpers.memory import MemoryCatalog

ENTRY = BatchEntry("b", 7, "https://example.com/cat.jpg", (Feature.TEXT,))


class FakeIntake:
    """Accepts every URL as the same image, or raises `error`."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    def accept_url(self, url: str, features: tuple[Feature, ...]) -> Accepted:
        assert features == ENTRY.features
        if self._error:
            raise self._error
        return Accepted(PENDING, is_new=True)


def batches(memory: MemoryCatalog, sqs_client: Any = None) -> Batches:
    return Batches(memory.table, sqs_client or memory.aws.client("sqs"), memory.aws.queue_url)


def items(memory: MemoryCatalog, batch_id: str) -> list[dict[str, Any]]:
    return list(memory.table.items("pk = :pk", {":pk": f"BATCH#{batch_id}"}))


@pytest.mark.parametrize("size", [1, 10, 11, 101])
def test_an_accepted_batch_has_every_url_in_the_queue(memory: MemoryCatalog, size: int) -> None:
    urls = [f"https://example.com/{number}.jpg" for number in range(size)]
    client, sent = memory.aws.client("sqs"), []
    client.meta.events.register(
        "provide-client-params.sqs.SendMessageBatch",
        lambda params, **_: sent.extend(params["Entries"]),
    )
    batch = batches(memory, client).create(urls, (Feature.TEXT,))
    parsed = (parse_batch_entry(json.loads(entry["MessageBody"])) for entry in sent)
    entries = sorted(parsed, key=lambda entry: entry.number)
    assert [entry.url for entry in entries] == urls
    assert {entry.batch_id for entry in entries} == {batch.id}
    assert {entry.features for entry in entries} == {(Feature.TEXT,)}
    (item,) = items(memory, batch.id)
    assert item["total"] == size


@pytest.mark.parametrize("error", [None, NotAnImage("No image.")])
def test_the_table_has_no_secret_of_a_url_that_the_queue_has_whole(
    memory: MemoryCatalog, error: Exception | None
) -> None:
    url = "https://alice:pa55@example.com/cat.jpg?id=5&X-Amz-Signature=abcdef#x"
    entry = replace(ENTRY, url=url)
    assert parse_batch_entry(json.loads(message_of(memory, url))).url == url
    batches(memory).take_in(entry, FakeIntake(error), last_attempt=True)  # type: ignore[arg-type]
    (row,) = (item for item in items(memory, "b") if item["sk"] != "BATCH")
    assert row["url"] == "https://example.com/cat.jpg?id=5"


def test_a_row_of_an_earlier_version_is_shown_without_secrets(memory: MemoryCatalog) -> None:
    batch = batches(memory).create(["u"], ENTRY.features)
    url = "https://example.com/cat.jpg?token=abcdef"
    row = {"pk": f"BATCH#{batch.id}", "sk": "URL#0000", "url": url, "image_id": IMAGE_ID}
    memory.table.put(row)
    values = batch_values(batches(memory).find(batch.id), {})
    assert [each["url"] for each in values["images"]] == ["https://example.com/cat.jpg"]


def message_of(memory: MemoryCatalog, url: str) -> str:
    """The message that a batch of one URL puts into the queue."""
    batches(memory).create([url], ENTRY.features)
    response = memory.aws.client("sqs").receive_message(QueueUrl=memory.aws.queue_url)
    return str(response["Messages"][0]["Body"])


def test_a_batch_is_not_accepted_if_sqs_refuses_one_of_its_messages(memory: MemoryCatalog) -> None:
    client = memory.aws.client("sqs")
    refused = {"Id": "13", "SenderFault": False, "Code": "InternalError"}
    with Stubber(client) as stubber:
        stubber.add_response("send_message_batch", {"Successful": [], "Failed": []})
        stubber.add_response("send_message_batch", {"Successful": [], "Failed": [refused]})
        with pytest.raises(BatchNotAccepted):
            batches(memory, client).create(["https://example.com/"] * 20, ())


def test_the_entry_of_an_accepted_url_has_its_image_id(memory: MemoryCatalog) -> None:
    batches(memory).take_in(ENTRY, FakeIntake(), last_attempt=False)  # type: ignore[arg-type]
    (item,) = items(memory, ENTRY.batch_id)
    assert (item["sk"], item["image_id"]) == ("URL#0007", IMAGE_ID)


def test_the_entry_of_a_refused_url_has_the_code_and_message_at_once(memory: MemoryCatalog) -> None:
    intake = FakeIntake(NotAnImage("This is a web page."))
    batches(memory).take_in(ENTRY, intake, last_attempt=False)  # type: ignore[arg-type]
    (item,) = items(memory, ENTRY.batch_id)
    assert (item["code"], item["message"]) == ("NotAnImage", "This is a web page.")


def test_a_transient_error_is_a_failure_on_the_last_attempt_only(memory: MemoryCatalog) -> None:
    intake = FakeIntake(FetchTimedOut("Not fetched within 20 s."))
    with pytest.raises(FetchTimedOut):
        batches(memory).take_in(ENTRY, intake, last_attempt=False)  # type: ignore[arg-type]
    assert items(memory, ENTRY.batch_id) == []
    batches(memory).take_in(ENTRY, intake, last_attempt=True)  # type: ignore[arg-type]
    assert items(memory, ENTRY.batch_id)[0]["code"] == "FetchTimedOut"


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
