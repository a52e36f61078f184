"""The use case: a picture, wherever it comes from, becomes a stored image."""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from chalicelib import images
from chalicelib.catalog import Catalog
from chalicelib.fetch import FetchedImage
from chalicelib.model import Content, Image, Original
from chalicelib.observability import about_image, count, count_bytes, timed
from chalicelib.storage import ImageStore

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Accepted:
    """The image, and whether it is new."""

    image: Image
    is_new: bool


class ImageIntake:
    """Takes images in: fetched, checked, stored, registered. Every way in goes through here."""

    def __init__(
        self, fetch: Callable[[str], FetchedImage], store: ImageStore, catalog: Catalog
    ) -> None:
        self._fetch = fetch
        self._store = store
        self._catalog = catalog

    def accept_url(self, url: str) -> Accepted:
        """Store the picture at a URL; nothing is stored where it is refused.

        The same picture from another URL is the same image, with one more source.
        """
        with timed("FetchSeconds"):
            fetched = self._fetch(url)
        return self.accept_content(fetched.content, source=url)

    def accept_content(self, content: bytes, source: str | None = None) -> Accepted:
        """Store a picture; nothing is stored where it is refused."""
        prepared = images.prepare(content)
        image_id = image_id_of_content(content)
        with about_image(image_id):
            return self._keep(image_id, prepared, source)

    def _keep(self, image_id: str, prepared: images.PreparedImage, source: str | None) -> Accepted:
        is_new = self._store.put(image_id, prepared)
        if is_new:
            count("ImagesStored")
            count_bytes("BytesStored", len(prepared.content))
            logger.info("Stored %d x %d pixels", prepared.width, prepared.height)
        image = self._catalog.register(
            image_id,
            source,
            Content(prepared.content_type, prepared.width, prepared.height, len(prepared.content)),
            Original(prepared.original_kind, prepared.original_bytes, prepared.original_sha256),
            datetime.now(UTC),
        )
        return Accepted(image, is_new)


def image_id_of_content(content: bytes) -> str:
    """The identity of a picture: the first 32 hexadecimal digits of its bytes' SHA-256."""
    return hashlib.sha256(content).hexdigest()[:32]
