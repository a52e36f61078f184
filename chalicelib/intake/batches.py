"""Batches: many URLs in one request, queued and fetched one by one.

The catalog table holds one item per batch, and one item per URL once its outcome is known.
Accepting a batch of any length therefore writes one item, and a URL without an item is pending.
"""

import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from chalicelib.aws.dynamodb_table import Table
from chalicelib.aws.observability import about_request
from chalicelib.catalog.spending_limit import SpendingLimit
from chalicelib.intake.batch_messages import BatchEntry, BatchMessages
from chalicelib.intake.last_attempts import (
    NOT_PROCESSED,
    NOT_QUEUED,
    end_of_attempt,
    has_ended,
    is_lost,
)
from chalicelib.model.errors import (
    BatchNotAccepted,
    BatchNotFound,
    FetchTimedOut,
    ImageRecognitionError,
    ImageServerUnreachable,
)
from chalicelib.model.findings import Feature
from chalicelib.model.image import Failure
from chalicelib.model.serialization import timestamp
from chalicelib.model.sources import source_of
from chalicelib.model.texts import MAX_ID_BYTES, fits

if TYPE_CHECKING:
    from chalicelib.intake.accept import ImageIntake

RETENTION = timedelta(days=30)

# These may succeed a minute later; every other error is final.
_TRANSIENT_ERRORS = (FetchTimedOut, ImageServerUnreachable)


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

    def __init__(
        self, table: Table, messages: BatchMessages, spending_limit: SpendingLimit
    ) -> None:
        self._table = table
        self._messages = messages
        self._spending_limit = spending_limit

    def create(
        self, urls: Sequence[str], features: Sequence[Feature], requested_by: str = ""
    ) -> Batch:
        """Create a batch and queue its URLs; those that SQS keeps refusing have failed.

        `requested_by` is the name of the caller's token. Raises BatchNotAccepted if SQS refuses all
        of them, and SpendingLimitReached if all of them together, as new images, exceed a limit.
        """
        self._spending_limit.check([*features] * len(urls), requested_by)
        batch = Batch(uuid.uuid4().hex, datetime.now(UTC), len(urls), ())
        self._table.put(
            {
                "pk": _partition(batch.id),
                "sk": "BATCH",
                "created_at": timestamp(batch.created_at),
                "total": batch.total,
                "requested_by": requested_by,
                "expires_at": _expiry(batch.created_at),
            }
        )
        refused = self._messages.send(
            [
                BatchEntry(batch.id, number, url, tuple(features), requested_by=requested_by)
                for number, url in enumerate(urls)
            ]
        )
        if len(refused) == batch.total:
            raise BatchNotAccepted(
                f"The queue accepted none of the {batch.total} URLs, so nothing is fetched. Send "
                "the batch again in a minute."
            )
        with ThreadPoolExecutor(max_workers=10) as pool:
            list(pool.map(lambda entry: self._write_failure(entry, NOT_QUEUED), refused))
        return replace(
            batch, entries=tuple(replace(entry, failure=NOT_QUEUED) for entry in refused)
        )

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
        now = datetime.now(UTC)
        ended = (
            _entry(batch_id, row)
            for row in rows
            if row["sk"] != "BATCH" and has_ended(row.get("attempt_ends_at"), now)
        )
        batch = Batch(
            batch_id,
            datetime.fromisoformat(batch_row["created_at"]),
            int(batch_row["total"]),
            tuple(ended),
        )
        return _with_lost_entries(batch) if is_lost(batch.created_at, now) else batch

    def take_in(self, entry: BatchEntry, intake: "ImageIntake", *, last_attempt: bool) -> None:
        """Fetch and store one URL of a batch, and write its outcome: an image or a failure.

        Raises FetchTimedOut or ImageServerUnreachable, which may be transient, so that the message
        is retried. On the last attempt, they are a failure too. Any other error of the last attempt
        leaves the failure NotProcessed, and is raised, so that the message becomes a dead letter.
        """
        if last_attempt:
            end = end_of_attempt(datetime.now(UTC))
            self._write_failure(entry, NOT_PROCESSED, attempt_ends_at=end)
        try:
            with about_request(entry.requested_by, f"POST /batches {entry.batch_id}"):
                accepted = intake.accept_url(entry.url, entry.features, entry.requested_by)
        except _TRANSIENT_ERRORS as error:
            if not last_attempt:
                raise
            self._write_failure(entry, Failure(type(error).__name__, str(error)))
        except ImageRecognitionError as refusal:
            self._write_failure(entry, Failure(type(refusal).__name__, str(refusal)))
        else:
            self._table.put(_row(entry, image_id=accepted.image.id))

    def _write_failure(
        self, entry: BatchEntry, failure: Failure, attempt_ends_at: int | None = None
    ) -> None:
        """Write a failure, unless another delivery of the message has stored the image."""
        row = _row(
            entry, code=failure.code, message=failure.reason, attempt_ends_at=attempt_ends_at
        )
        self._table.put(row, "attribute_not_exists(image_id)")


def _with_lost_entries(batch: Batch) -> Batch:
    """A batch whose messages are gone: entries without an outcome, and their URLs, are lost."""
    entries = {entry.number: entry for entry in batch.entries}

    def all_entries() -> Iterator[BatchEntry]:
        for number in range(batch.total):
            lost = BatchEntry(batch.id, number, url="", failure=NOT_PROCESSED)
            yield entries.get(number, lost)

    return replace(batch, entries=tuple(all_entries()))


def _row(entry: BatchEntry, **outcome: Any) -> dict[str, Any]:
    return {
        "pk": _partition(entry.batch_id),
        "sk": f"URL#{entry.number:04}",
        "url": source_of(entry.url),
        "expires_at": _expiry(datetime.now(UTC)),
        **outcome,
    }


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
