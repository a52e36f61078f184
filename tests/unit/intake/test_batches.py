import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.api.responses import batch_values
from chalicelib.catalog.spending_limit import SpendingLimit
from chalicelib.catalog.usage import Usage
from chalicelib.intake import batches as batches_module
from chalicelib.intake.accept import Accepted
from chalicelib.intake.batch_messages import BatchEntry, BatchMessages, parse_batch_entry
from chalicelib.intake.batches import Batch, Batches
from chalicelib.intake.last_attempts import LONGEST_ATTEMPT, NOT_PROCESSED, QUEUE_RETENTION
from chalicelib.model.errors import BatchNotAccepted, FetchTimedOut, NotAnImage
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

    def accept_url(self, url: str, features: tuple[Feature, ...], requested_by: str) -> Accepted:
        assert features == ENTRY.features
        if self._error:
            raise self._error
        return Accepted(PENDING, is_new=True)


def batches(memory: MemoryCatalog, sqs_client: Any = None) -> Batches:
    client = sqs_client or memory.aws.client("sqs")
    return Batches(
        memory.table,
        BatchMessages(client, memory.aws.queue_url, pause=lambda seconds: None),
        SpendingLimit(Usage(memory.table), {}, 0, 0),
    )


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Moves the batches' clock on, from the present."""
    moved = timedelta()

    class Moved(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + moved

    def move(duration: timedelta) -> None:
        nonlocal moved
        moved += duration

    monkeypatch.setattr(batches_module, "datetime", Moved)
    return move


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


class RefusingSqs:
    """Refuses entries by their numbers, as many times as `refusals` says, or fails as a whole."""

    def __init__(self, refusals: dict[int, int], *, fails: bool = False) -> None:
        self._refusals = refusals
        self._fails = fails
        self.sent: list[int] = []

    def send_message_batch(self, QueueUrl: str, Entries: list[Any]) -> dict[str, Any]:  # noqa: N803 - boto3's names
        if self._fails:
            raise ClientError({"Error": {"Code": "ServiceUnavailable"}}, "SendMessageBatch")
        failed = []
        for entry in Entries:
            number = int(entry["Id"])
            if self._refusals.get(number, 0) > 0:
                self._refusals[number] -= 1
                failed.append({"Id": entry["Id"], "SenderFault": False, "Code": "InternalError"})
            else:
                self.sent.append(number)
        return {"Successful": [], "Failed": failed}


def test_entries_that_sqs_refuses_are_sent_again(memory: MemoryCatalog) -> None:
    sqs = RefusingSqs({3: 1, 13: 2})
    batch = batches(memory, sqs).create(["https://example.com/"] * 20, ())
    assert sorted(sqs.sent) == list(range(20))
    assert batch.entries == ()


def test_a_url_that_sqs_keeps_refusing_has_failed_and_does_not_stay_pending(
    memory: MemoryCatalog,
) -> None:
    sqs = RefusingSqs({13: 100})
    created = batches(memory, sqs).create(["https://example.com/"] * 20, ())
    assert sorted(sqs.sent) == [number for number in range(20) if number != 13]
    for batch in (created, batches(memory).find(created.id)):
        (entry,) = batch.entries
        assert (entry.number, entry.url) == (13, "https://example.com/")
        assert entry.failure is not None
        assert entry.failure.code == "NotProcessed"
        assert "another batch" in entry.failure.reason
        values = batch_values(batch, {})
        assert (values["pending"], values["failed"]) == (19, 1)


@pytest.mark.parametrize(
    "sqs", [RefusingSqs(dict.fromkeys(range(20), 100)), RefusingSqs({}, fails=True)]
)
def test_a_batch_of_which_sqs_accepts_nothing_is_refused(
    memory: MemoryCatalog, sqs: RefusingSqs
) -> None:
    with pytest.raises(BatchNotAccepted, match=r"none of the 20 URLs.*Send the batch again"):
        batches(memory, sqs).create(["https://example.com/"] * 20, ())


def test_any_error_of_the_last_attempt_is_shown_as_a_failure_without_its_text(
    memory: MemoryCatalog, clock: Callable[[timedelta], None]
) -> None:
    batch = batches(memory).create(["https://example.com/"], ())
    entry = BatchEntry(batch.id, 0, "https://example.com/", (Feature.TEXT,))
    denied = ClientError(
        {"Error": {"Code": "AccessDenied", "Message": "arn:aws:sts::1:role/secret"}}, "PutObject"
    )
    for last_attempt in (False, True):
        assert batch_values(batches(memory).find(batch.id), {})["pending"] == 1
        with pytest.raises(ClientError):
            batches(memory).take_in(entry, FakeIntake(denied), last_attempt=last_attempt)  # type: ignore[arg-type]
    clock(LONGEST_ATTEMPT)
    (shown,) = batch_values(batches(memory).find(batch.id), {})["failures"]
    assert (shown["number"], shown["url"], shown["code"]) == (0, entry.url, "NotProcessed")
    assert shown["reason"] == NOT_PROCESSED.reason


class Killed(BaseException):
    """The end of the process: no code runs after it."""


def test_a_worker_that_is_killed_in_its_last_attempt_leaves_a_failure(
    memory: MemoryCatalog, clock: Callable[[timedelta], None]
) -> None:
    batch = batches(memory).create(["https://example.com/"], ())
    entry = BatchEntry(batch.id, 0, "https://example.com/", (Feature.TEXT,))
    with pytest.raises(Killed):
        batches(memory).take_in(entry, FakeIntake(Killed()), last_attempt=True)  # type: ignore[arg-type]
    assert batch_values(batches(memory).find(batch.id), {})["pending"] == 1  # it may still run
    clock(LONGEST_ATTEMPT)
    assert batch_values(batches(memory).find(batch.id), {})["failed"] == 1

    # A redrive heals it.
    batches(memory).take_in(entry, FakeIntake(), last_attempt=False)  # type: ignore[arg-type]
    found = batches(memory).find(batch.id)
    assert found.image_ids == [IMAGE_ID]
    assert batch_values(found, {IMAGE_ID: Status.RECOGNIZED})["failures"] == []


def test_a_success_stays_when_its_message_is_delivered_again_and_fails(
    memory: MemoryCatalog, clock: Callable[[timedelta], None]
) -> None:
    batch = batches(memory).create(["https://example.com/"], ())
    entry = BatchEntry(batch.id, 0, "https://example.com/", (Feature.TEXT,))
    batches(memory).take_in(entry, FakeIntake(), last_attempt=False)  # type: ignore[arg-type]
    intake = FakeIntake(NotAnImage("Now it is a page."))
    batches(memory).take_in(entry, intake, last_attempt=True)  # type: ignore[arg-type]
    clock(LONGEST_ATTEMPT)
    assert batches(memory).find(batch.id).image_ids == [IMAGE_ID]


def test_entries_whose_messages_the_queue_no_longer_keeps_have_failed(
    memory: MemoryCatalog, clock: Callable[[timedelta], None]
) -> None:
    batch = batches(memory).create(["https://example.com/"] * 3, ())
    entry = BatchEntry(batch.id, 1, "https://example.com/", (Feature.TEXT,))
    batches(memory).take_in(entry, FakeIntake(), last_attempt=False)  # type: ignore[arg-type]
    statuses = {IMAGE_ID: Status.RECOGNIZED}
    clock(QUEUE_RETENTION)
    assert batch_values(batches(memory).find(batch.id), statuses)["pending"] == 2
    clock(2 * LONGEST_ATTEMPT)
    values = batch_values(batches(memory).find(batch.id), statuses)
    assert (values["pending"], values["recognized"], values["failed"]) == (0, 1, 2)
    assert [each["number"] for each in values["failures"]] == [0, 2]
    assert {each["code"] for each in values["failures"]} == {"NotProcessed"}


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
