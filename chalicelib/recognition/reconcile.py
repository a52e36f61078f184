"""The use case: requeue images that have been PENDING for too long or are not in the catalog.

SQS does not lose messages, but people purge queues and deployments fail. A scheduled run therefore
looks for images in the catalog that have been PENDING for too long, and for objects in the bucket
that are not in the catalog. A superfluous message does nothing, because only pending features are
recognized.
"""

import logging
from datetime import UTC, datetime, timedelta

from chalicelib.aws.dynamodb_table import Table
from chalicelib.aws.observability import about_image, count
from chalicelib.catalog.image_store import ImageStore
from chalicelib.catalog.images import Catalog
from chalicelib.catalog.pages import CatalogPages
from chalicelib.model.serialization import timestamp
from chalicelib.recognition.recognition_requests import RecognitionRequests

MAX_WAITING_IMAGES = 1000  # per run
MAX_BUCKET_PAGES = 10  # of a thousand objects, per run; the next run continues after the last page

_SWEEP = ("RECONCILIATION", "SWEEP")

logger = logging.getLogger(__name__)


class Reconciliation:
    """Compares the catalog with the bucket and requeues what was lost.

    `age` is the time after which a pending image, or an object without an item, counts as lost.
    """

    def __init__(
        self,
        store: ImageStore,
        table: Table,
        catalog: Catalog,
        catalog_pages: CatalogPages,
        requests: RecognitionRequests,
        age: timedelta,
    ) -> None:
        self._store = store
        self._table = table
        self._catalog = catalog
        self._catalog_pages = catalog_pages
        self._requests = requests
        self._age = age

    def run(self) -> None:
        """Check up to MAX_WAITING_IMAGES pending images, and MAX_BUCKET_PAGES pages of the bucket.

        A pending image that is not stored any more is deleted from the catalog.
        """
        cutoff = datetime.now(UTC) - self._age
        for image_id in self._catalog_pages.waiting(timestamp(cutoff), MAX_WAITING_IMAGES):
            with about_image(image_id):
                self._requeue_or_forget(image_id)
        self._sweep(cutoff)

    def _requeue_or_forget(self, image_id: str) -> None:
        snapshot = self._catalog.snapshot(image_id)
        if self._store.exists(image_id):
            logger.warning("Image has been PENDING for too long: requeued")
            self._send(image_id)
        elif self._catalog.forget(snapshot):
            logger.warning("Image is PENDING but not stored in S3: deleted its items")

    def _sweep(self, cutoff: datetime) -> None:
        """Queue stored images that are not in the catalog; continue where the last run ended."""
        after = str((self._table.get(*_SWEEP) or {}).get("after", ""))
        for _ in range(MAX_BUCKET_PAGES):
            stored, after = self._store.page(after)
            ids = [image_id for image_id, since in stored if since < cutoff]
            known = self._catalog_pages.statuses(ids)
            for image_id in ids:
                if image_id not in known:
                    with about_image(image_id):
                        logger.warning("Image is stored in S3 but not in the catalog: queued")
                        self._send(image_id)
            pk, sk = _SWEEP
            self._table.put({"pk": pk, "sk": sk, "after": after})
            if not after:
                return

    def _send(self, image_id: str) -> None:
        count("ImagesPutBack")
        self._requests.send(image_id)
