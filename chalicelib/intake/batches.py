"""Batches: many URLs in one request, fetched one by one from a queue.

An item a batch, and an item for each of its URLs as soon as it is known what became of it, so that
accepting a batch writes one item however long it is. What has no item yet is pending.
"""

import json
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from chalicelib.aws.dynamodb_table import Table
from chalicelib.model.errors import (
    BatchNotFound,
    FetchTimedOut,
    ImageRecognitionError,
    ImageServerUnreachable,
)
from chalicelib.model.events import NotOurMessage
from chalicelib.model.findings import Feature
from chalicelib.model.image import Failure
from chalicelib.model.serialization import timestamp

if TYPE_CHECKING:
    from chalicelib.intake.accept import ImageIntake

MAX_URLS = 1000
REMEMBERED_FOR = timedelta(days=30)

# What may be better in a minute; every other refusal is final.
_PASSING = (FetchTimedOut, ImageServerUnreachable)


class BatchNotAccepted(Exception):
    """SQS did not take all of a batch's URLs; the caller may send the batch again."""


@dataclass(frozen=True)
class BatchEntry:
    """One URL of a batch: its place from 0, and what became of it."""

    batch_id: str
    number: int
    url: str
    features: tuple[Feature, ...] = ()
    image_id: str | None = None
    failure: Failure | None = None


@dataclass(frozen=True)
class Batch:
    """How far a batch is. `entries` are those that were taken in or refused, in order."""

    id: str
    created_at: datetime
    total: int
    entries: tuple[BatchEntry, ...]

    @property
    def image_ids(self) -> list[str]:
        """The images that the entries became."""
        return [entry.image_id for entry in self.entries if entry.image_id]


class Batches:
    """The batches of one stage."""

    def __init__(self, table: Table, sqs_client: Any, queue_url: str) -> None:
        self._table = table
        self._sqs = sqs_client
        self._queue_url = queue_url

    def begin(self, urls: Sequence[str], features: Sequence[Feature]) -> Batch:
        """Accept a batch: its URLs are in the queue when this returns."""
        batch = Batch(uuid.uuid4().hex, datetime.now(UTC), len(urls), ())
        self._table.put(
            {
                "pk": _partition(batch.id),
                "sk": "BATCH",
                "created_at": timestamp(batch.created_at),
                "total": batch.total,
                "expires_at": _expiry(batch.created_at),
            }
        )
        entries = [
            BatchEntry(batch.id, number, url, tuple(features)) for number, url in enumerate(urls)
        ]
        tens = [entries[start : start + 10] for start in range(0, len(entries), 10)]
        with ThreadPoolExecutor(max_workers=10) as pool:
            list(pool.map(self._send, tens))
        return batch

    def find(self, batch_id: str) -> Batch:
        """How far a batch is; raises BatchNotFound."""
        rows = list(self._table.items("pk = :pk", {":pk": _partition(batch_id)}))
        head = next((row for row in rows if row["sk"] == "BATCH"), None)
        if head is None:
            raise BatchNotFound(
                f"There is no batch {batch_id!r}, or it was made more than "
                f"{REMEMBERED_FOR.days} days ago. POST /batches begins one."
            )
        return Batch(
            batch_id,
            datetime.fromisoformat(head["created_at"]),
            int(head["total"]),
            tuple(_entry(batch_id, row) for row in rows if row["sk"] != "BATCH"),
        )

    def take_in(self, entry: BatchEntry, intake: "ImageIntake", *, last_try: bool) -> None:
        """Take one URL of a batch in, or note why it is refused.

        Raises what may pass, unless this is the last try: then it is noted like a refusal.
        """
        try:
            image_id = intake.accept_url(entry.url, entry.features).image.id
        except _PASSING as error:
            if not last_try:
                raise
            self._write(entry, {"code": type(error).__name__, "message": str(error)})
        except ImageRecognitionError as refusal:
            self._write(entry, {"code": type(refusal).__name__, "message": str(refusal)})
        else:
            self._write(entry, {"image_id": image_id})

    def _send(self, entries: Sequence[BatchEntry]) -> None:
        answer = self._sqs.send_message_batch(
            QueueUrl=self._queue_url,
            Entries=[
                {
                    "Id": str(entry.number),
                    "MessageBody": json.dumps(
                        {
                            "batch_id": entry.batch_id,
                            "number": entry.number,
                            "url": entry.url,
                            "features": entry.features,
                        }
                    ),
                }
                for entry in entries
            ],
        )
        if answer.get("Failed"):
            raise BatchNotAccepted(f"SQS refused {answer['Failed']}")

    def _write(self, entry: BatchEntry, outcome: dict[str, str]) -> None:
        self._table.put(
            {
                "pk": _partition(entry.batch_id),
                "sk": f"URL#{entry.number:04}",
                "url": entry.url,
                "expires_at": _expiry(datetime.now(UTC)),
                **outcome,
            }
        )


def parse_batch_entry(message: dict[str, Any]) -> BatchEntry:
    """The entry that a message of the intake queue holds; raises NotOurMessage."""
    try:
        return BatchEntry(
            str(message["batch_id"]),
            int(message["number"]),
            str(message["url"]),
            tuple(map(Feature, message["features"])),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise NotOurMessage(f"Not a URL of a batch: {message!r:.200}") from error


def _entry(batch_id: str, row: dict[str, Any]) -> BatchEntry:
    return BatchEntry(
        batch_id,
        number=int(row["sk"].removeprefix("URL#")),
        url=row["url"],
        image_id=row.get("image_id"),
        failure=Failure(row["code"], row["message"]) if "code" in row else None,
    )


def _partition(batch_id: str) -> str:
    return f"BATCH#{batch_id}"


def _expiry(moment: datetime) -> int:
    return int((moment + REMEMBERED_FOR).timestamp())
