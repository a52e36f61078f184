"""The use case: what has waited too long, or was never heard of, is put back to work.

Messages are not lost, but people empty queues, and deploys go wrong. So now and then the catalog is
asked what is PENDING for too long, and the bucket what the catalog does not know. A message too
many does nothing: only what is pending is recognized.
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

MOST_WAITING = 1000  # images of one run
MOST_PAGES = 10  # of a thousand objects, of one run; the next goes on from there

_SWEEP = ("RECONCILIATION", "SWEEP")

logger = logging.getLogger(__name__)


class Reconciliation:
    """Compares what should have happened with what did."""

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
        """One run over all that waits, and over a part of the bucket."""
        too_old = datetime.now(UTC) - self._age
        for image_id in self._catalog_pages.waiting(timestamp(too_old), MOST_WAITING):
            with about_image(image_id):
                self._put_back(image_id)
        self._sweep(too_old)

    def _put_back(self, image_id: str) -> None:
        snapshot = self._catalog.snapshot(image_id)
        if self._store.exists(image_id):
            logger.warning("Has waited too long for its recognition: put back to work")
            self._send(image_id)
        elif self._catalog.forget(snapshot):
            logger.warning("Waits for its recognition, but is not stored: forgotten")

    def _sweep(self, too_old: datetime) -> None:
        after = str((self._table.get(*_SWEEP) or {}).get("after", ""))
        for _ in range(MOST_PAGES):
            stored, after = self._store.page(after)
            ids = [image_id for image_id, since in stored if since < too_old]
            known = self._catalog_pages.statuses(ids)
            for image_id in ids:
                if image_id not in known:
                    with about_image(image_id):
                        logger.warning("Is stored, but not in the catalog: put to work")
                        self._send(image_id)
            pk, sk = _SWEEP
            self._table.put({"pk": pk, "sk": sk, "after": after})
            if not after:
                return

    def _send(self, image_id: str) -> None:
        count("ImagesPutBack")
        self._requests.send(image_id)
