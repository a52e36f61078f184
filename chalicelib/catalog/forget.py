"""The use case: delete the items of an image that was removed from S3.

S3's events arrive late, more than once and in any order, so the state of the bucket decides, not
the event: the items are deleted only if the object is gone, and only if the image's item has not
changed since the check.
"""

import logging

from chalicelib.aws.observability import about_image
from chalicelib.aws.sqs_queue import Message
from chalicelib.catalog.image_store import ImageStore
from chalicelib.catalog.images import Catalog, RowKeepsChanging
from chalicelib.model.events import image_ids_of_notification, json_object

logger = logging.getLogger(__name__)

_MAX_ATTEMPTS = 5


class ImageRemoval:
    """Deletes the items of images that are no longer stored in S3."""

    def __init__(self, store: ImageStore, catalog: Catalog) -> None:
        self._store = store
        self._catalog = catalog

    def process(self, message: Message) -> None:
        """Forget the images in a message of the removals queue: S3's notification about them.

        Raises NotOurMessage, and what `forget` raises.
        """
        for image_id in image_ids_of_notification(json_object(message.body)):
            self.forget(image_id)

    def forget(self, image_id: str) -> bool:
        """Delete the items of an image, unless S3 still or again holds its object.

        Returns whether the image is gone. Raises RowKeepsChanging if its item changed after the
        check on each of 5 attempts.
        """
        for _ in range(_MAX_ATTEMPTS):
            snapshot = self._catalog.snapshot(image_id)
            if self._store.exists(image_id):
                return False
            if self._catalog.forget(snapshot):
                with about_image(image_id):
                    logger.info("Image is not stored in S3 any more: deleted its items")
                return True
        raise RowKeepsChanging(
            f"Image {image_id} changed during each of {_MAX_ATTEMPTS} attempts to delete its items."
        )
