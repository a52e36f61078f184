"""The use case: the picture at a URL becomes a stored image."""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from chalicelib import images
from chalicelib.catalog import Catalog
from chalicelib.fetch import FetchedImage
from chalicelib.model import Content, Image
from chalicelib.observability import about_image, count, count_bytes, timed
from chalicelib.storage import ImageStore

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Accepted:
    """The image, and whether it is new."""

    image: Image
    is_new: bool


class ImageIntake:
    """Takes images in: fetched, checked, stored, registered."""

    def __init__(
        self, fetch: Callable[[str], FetchedImage], store: ImageStore, catalog: Catalog
    ) -> None:
        self._fetch = fetch
        self._store = store
        self._catalog = catalog

    def accept(self, url: str) -> Accepted:
        """Store the picture at a URL; nothing is stored where it is refused.

        The same picture from another URL is the same image, with one more source.
        """
        with timed("FetchSeconds"):
            fetched = self._fetch(url).content
        prepared = images.prepare(fetched)
        image_id = image_id_of_content(fetched)
        with about_image(image_id):
            return self._keep(image_id, prepared, url)

    def _keep(self, image_id: str, prepared: images.PreparedImage, url: str) -> Accepted:
        is_new = self._store.put(image_id, prepared)
        if is_new:
            count("ImagesStored")
            count_bytes("BytesStored", len(prepared.content))
            logger.info("Stored %d x %d pixels", prepared.width, prepared.height)
        content = Content(
            prepared.content_type, prepared.width, prepared.height, len(prepared.content)
        )
        return Accepted(self._catalog.register(image_id, url, content, datetime.now(UTC)), is_new)


def image_id_of_content(content: bytes) -> str:
    """The identity of a picture: the first 32 hexadecimal digits of its bytes' SHA-256."""
    return hashlib.sha256(content).hexdigest()[:32]
