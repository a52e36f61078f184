"""Batches: many URLs in one request, queued and fetched one by one.

The catalog table holds one item per batch, and one item per URL once its outcome is known.
Accepting a batch of any length therefore writes one item, and a URL without an item is pending.
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
from chalicelib.model.sources import source_of
from chalicelib.model.texts import MAX_ID_BYTES, fits

if TYPE_CHECKING:
    from chalicelib.intake.accept import ImageIntake

MAX_URLS = 1000
RETENTION = timedelta(days=30)

# These may succeed a minute later; every other error is final.
_TRANSIENT_ERRORS = (FetchTimedOut, ImageServerUnreachable)


class BatchNotAccepted(Exception):
    """Raised when SQS refuses some of a batch's messages; the caller may send the batch again."""


@dataclass(frozen=True)
class BatchEntry:
    """One URL of a batch.

    `number` is its position in the batch, from 0. `url` is whole in the entry to fetch, and what
    `source_of` keeps of it in one that is read. `image_id` or `failure` is its outcome; a pending
    entry has neither.
    """

    batch_id: str
    number: int
    url: str
    features: tuple[Feature, ...] = ()
    image_id: str | None = None
    failure: Failure | None = None


@dataclass(frozen=True)
class Batch:
    """A batch of `total` URLs. `entries` holds the entries with an outcome, in order of number."""

    id: str
    created_at: datetime
    total: int
    entries: tuple[BatchEntry, ...]

    @property
    def image_ids(self) -> list[str]:
        """The ids of the images that the entries became."""
        return [entry.image_id for entry in self.entries if entry.image_id]


class Batches:
    """The batches of one stage."""

    def __init__(self, table: Table, sqs_client: Any, queue_url: str) -> None:
        self._table = table
        self._sqs = sqs_client
        self._queue_url = queue_url

    def create(self, urls: Sequence[str], features: Sequence[Feature]) -> Batch:
        """Create a batch and queue its URLs; when this returns, SQS has all of them.

        Raises BatchNotAccepted if SQS refuses any of them.
        """
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
        chunks = [entries[start : start + 10] for start in range(0, len(entries), 10)]
        with ThreadPoolExecutor(max_workers=10) as pool:
            list(pool.map(self._send, chunks))
        return batch

    def find(self, batch_id: str) -> Batch:
        """The batch and the outcomes so far; raises BatchNotFound."""
        rows: list[dict[str, Any]] = []
        if fits(batch_id, MAX_ID_BYTES):
            rows = list(self._table.items("pk = :pk", {":pk": _partition(batch_id)}))
        batch_row = next((row for row in rows if row["sk"] == "BATCH"), None)
        if batch_row is None:
            raise BatchNotFound(
                f"There is no batch {batch_id!r:.100}, or it was created more than "
                f"{RETENTION.days} days ago. POST /batches creates one."
            )
        return Batch(
            batch_id,
            datetime.fromisoformat(batch_row["created_at"]),
            int(batch_row["total"]),
            tuple(_entry(batch_id, row) for row in rows if row["sk"] != "BATCH"),
        )

    def take_in(self, entry: BatchEntry, intake: "ImageIntake", *, last_attempt: bool) -> None:
        """Fetch and store one URL of a batch, and write its outcome: an image or a failure.

        Raises FetchTimedOut or ImageServerUnreachable, which may be transient, so that the message
        is retried. On the last attempt, they are a failure too.
        """
        try:
            image_id = intake.accept_url(entry.url, entry.features).image.id
        except _TRANSIENT_ERRORS as error:
            if not last_attempt:
                raise
            self._write(entry, {"code": type(error).__name__, "message": str(error)})
        except ImageRecognitionError as refusal:
            self._write(entry, {"code": type(refusal).__name__, "message": str(refusal)})
        else:
            self._write(entry, {"image_id": image_id})

    def _send(self, entries: Sequence[BatchEntry]) -> None:
        response = self._sqs.send_message_batch(
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
        if response.get("Failed"):
            raise BatchNotAccepted(f"SQS refused {response['Failed']}")

    def _write(self, entry: BatchEntry, outcome: dict[str, str]) -> None:
        self._table.put(
            {
                "pk": _partition(entry.batch_id),
                "sk": f"URL#{entry.number:04}",
                "url": source_of(entry.url),
                "expires_at": _expiry(datetime.now(UTC)),
                **outcome,
            }
        )


def parse_batch_entry(message: dict[str, Any]) -> BatchEntry:
    """The entry in the body of an intake queue message; raises NotOurMessage if it has none."""
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
        url=source_of(row["url"]),  # rows of an earlier version have the whole URL
        image_id=row.get("image_id"),
        failure=Failure(row["code"], row["message"]) if "code" in row else None,
    )


def _partition(batch_id: str) -> str:
    return f"BATCH#{batch_id}"


def _expiry(moment: datetime) -> int:
    return int((moment + RETENTION).timestamp())
