"""The use case: compare the catalog with the bucket, and put back to work what was lost.

SQS does not lose messages, but people purge queues, deployments fail, and S3's event of a removal
is lost if its function keeps failing. A scheduled run therefore looks at images that have been
PENDING for too long, at what removed images left, at objects that are not in the catalog, and at
images in the catalog that are not stored any more. Each part is bounded and continues where the
last run ended. A superfluous message does nothing, because only pending features are recognized.
"""

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from chalicelib.aws.dynamodb_table import Table
from chalicelib.aws.observability import about_image, count
from chalicelib.aws.sqs_queue import Queue
from chalicelib.catalog import keys
from chalicelib.catalog.backlog import Backlog, WaitingItem
from chalicelib.catalog.findings_changes import FindingsChange
from chalicelib.catalog.forget import ImageRemoval
from chalicelib.catalog.image_store import ImageStore
from chalicelib.catalog.images import Catalog
from chalicelib.catalog.pages import CatalogPages
from chalicelib.catalog.search_index import SearchIndex
from chalicelib.recognition.recognition_requests import RecognitionRequests

MAX_WAITING_IMAGES = 250  # per run and shard
MAX_BUCKET_PAGES = 10  # of a thousand objects, per run
MAX_CHECKED_IMAGES = 25  # per run and shard; each costs a request to S3

# No invocation that began before a removal runs longer than its lease of 75 seconds.
_BURIAL_AGE = timedelta(minutes=10)

_SWEEP = "RECONCILIATION"
_CONCURRENCY = 8

Thing = TypeVar("Thing")
Part = Callable[[datetime], None]  # of a run, which begins at the time that it gets

logger = logging.getLogger(__name__)


class ReconciliationIncomplete(Exception):
    """Raised when parts of a run failed; the log lines above say why. The next run continues."""


class Reconciliation:
    """Compares the catalog with the bucket and requeues what was lost.

    `age` is the time after which a pending image, or an object without an item, counts as lost.
    `images_per_second` is how fast images are recognized at least.
    """

    def __init__(
        self,
        store: ImageStore,
        table: Table,
        catalog: Catalog,
        pages: CatalogPages,
        backlog: Backlog,
        search_index: SearchIndex,
        requests: RecognitionRequests,
        queue: Queue,
        age: timedelta,
        images_per_second: float,
    ) -> None:
        self._store = store
        self._table = table
        self._catalog = catalog
        self._pages = pages
        self._backlog = backlog
        self._search_index = search_index
        self._requests = requests
        self._queue = queue
        self._removal = ImageRemoval(store, catalog)
        self._age = age
        self._images_per_second = images_per_second

    def run(self, *more_parts: Part) -> None:
        """Do all parts, even if one of them fails; then raise ReconciliationIncomplete.

        `more_parts` are parts of a run that concern others than images.
        """
        now = datetime.now(UTC)
        parts = [
            self._requeue_waiting,
            self._queue_unknown,
            self._forget_missing,
            *more_parts,
        ]
        failed = [part.__name__.strip("_") for part in parts if not _succeeds(part, now)]
        if failed:
            raise ReconciliationIncomplete(f"Failed: {', '.join(failed)}.")

    def _requeue_waiting(self, now: datetime) -> None:
        """Requeue images that have been PENDING for too long; delete what removed ones left."""
        items = self._backlog.waiting_images(now - self._age, MAX_WAITING_IMAGES)
        if not items:
            return
        may_requeue = self._queue.is_caught_up(self._images_per_second, self._age)
        _for_each(items, lambda item: self._look_at(item, now, may_requeue=may_requeue))

    def _look_at(self, item: WaitingItem, now: datetime, *, may_requeue: bool) -> None:
        with about_image(item.image_id):
            snapshot = self._catalog.snapshot(item.image_id)
            is_stored = self._store.exists(item.image_id)
            if is_stored and (may_requeue or snapshot.is_removed):
                self._requeue(item.image_id, "has been PENDING for too long")
                self._backlog.postpone(item, now)
            elif not is_stored and not snapshot.is_removed:
                if self._catalog.forget(snapshot):
                    logger.warning("Image is PENDING but not stored in S3: deleted its items")
            elif not is_stored and item.since < keys.time_key(now - _BURIAL_AGE, ""):
                # In case the stream has lost the removal: then nobody else takes it off the counts.
                self._search_index.follow([FindingsChange(item.image_id)])
                self._catalog.bury(snapshot)

    def _queue_unknown(self, now: datetime) -> None:
        """Queue stored images that are not in the catalog."""
        after = self._position("BUCKET")
        for _ in range(MAX_BUCKET_PAGES):
            stored, after = self._store.page(after)
            ids = [image_id for image_id, since in stored if since < now - self._age]
            known = self._pages.statuses(ids)
            unknown = [image_id for image_id in ids if image_id not in known]
            _for_each(unknown, lambda each: self._requeue(each, "is not in the catalog"))
            self._continue_after("BUCKET", after)
            if not after:
                return

    def _forget_missing(self, now: datetime) -> None:
        """Delete images from the catalog that are not stored, and mend the index of the others.

        A pass over the catalog takes as many runs as it has times a hundred images.
        """
        for shard in keys.INDEX_SHARDS:
            after = self._position(f"CATALOG#{shard}")
            ids, next_after = self._backlog.images_in_order_of_time(
                shard, after, MAX_CHECKED_IMAGES
            )
            _for_each(ids, lambda image_id: self._forget_if_missing(image_id, now))
            self._search_index.follow(FindingsChange(image_id) for image_id in ids)
            self._continue_after(f"CATALOG#{shard}", next_after)

    def _forget_if_missing(self, image_id: str, now: datetime) -> None:
        row = self._catalog.row(image_id)
        # A younger image may be about to be stored: S3 holds it before the catalog does.
        if row and row.image.created_at < now - self._age and self._removal.forget(image_id):
            with about_image(image_id):
                logger.warning("Image was removed from S3 and its event lost: deleted its items")
                count("PutBack")

    def _requeue(self, image_id: str, reason: str) -> None:
        with about_image(image_id):
            logger.warning("Image %s: queued", reason)
            count("PutBack")
            self._requests.send(image_id)

    def _position(self, sweep: str) -> str:
        return str((self._table.get(_SWEEP, sweep) or {}).get("after", ""))

    def _continue_after(self, sweep: str, after: str) -> None:
        self._table.put({"pk": _SWEEP, "sk": sweep, "after": after})


def _for_each(things: Iterable[Thing], act: Callable[[Thing], None]) -> None:
    with ThreadPoolExecutor(_CONCURRENCY) as pool:
        list(pool.map(act, things))


def _succeeds(part: Part, now: datetime) -> bool:
    try:
        part(now)
    except Exception:
        logger.exception("Reconciliation: %s failed", part.__name__.strip("_"))
        return False
    return True
