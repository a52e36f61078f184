"""The use case: an image that was removed from S3 is forgotten.

S3's events come late, twice and in any order, so what counts is not the event but what S3 holds:
the rows go only if the object is gone, and only if nobody wrote them since that was looked at.
"""

import logging

from chalicelib.aws.observability import about_image
from chalicelib.catalog.image_store import ImageStore
from chalicelib.catalog.images import Catalog

logger = logging.getLogger(__name__)

_LOOKS = 3


class RowKeepsChanging(Exception):
    """The image's rows changed each time between the look at S3 and their removal."""


class ImageRemoval:
    """Forgets images that are no longer stored."""

    def __init__(self, store: ImageStore, catalog: Catalog) -> None:
        self._store = store
        self._catalog = catalog

    def forget(self, image_id: str) -> None:
        """Delete what is known of an image, unless it is stored (again)."""
        for _ in range(_LOOKS):
            snapshot = self._catalog.snapshot(image_id)
            if self._store.exists(image_id):
                return
            if self._catalog.forget(snapshot):
                with about_image(image_id):
                    logger.info("Removed: its rows are deleted")
                return
        raise RowKeepsChanging(f"Image {image_id} changed {_LOOKS} times while it was removed.")
