"""The use case: store an image, from a URL or from bytes, for recognition."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from chalicelib.aws.observability import about_image, count_bytes, timed
from chalicelib.catalog.image_store import ImageStore
from chalicelib.catalog.images import Catalog
from chalicelib.catalog.spending_limit import SpendingLimit
from chalicelib.catalog.usage import Usage
from chalicelib.intake.fetching.fetch import FetchedImage
from chalicelib.intake.images.isolated_decoder import IsolatedDecoder
from chalicelib.intake.images.prepared_image import PreparedImage
from chalicelib.model.changes import with_features_requested
from chalicelib.model.errors import SpendingLimitReached
from chalicelib.model.findings import Feature
from chalicelib.model.identity import image_id_of_content
from chalicelib.model.image import Content, Image, NewImage, Original, Status
from chalicelib.model.sources import source_of
from chalicelib.recognition.recognition_requests import RecognitionRequests

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Accepted:
    """An accepted image; `is_new` is False if its bytes were stored before."""

    image: Image
    is_new: bool


class ImageIntake:
    """Fetches, validates, stores and registers images. Every image passes through here."""

    def __init__(
        self,
        fetch: Callable[[str], FetchedImage],
        decoder: IsolatedDecoder,
        store: ImageStore,
        catalog: Catalog,
        requests: RecognitionRequests,
        usage: Usage,
        spending_limit: SpendingLimit,
    ) -> None:
        self._fetch = fetch
        self._decoder = decoder
        self._store = store
        self._catalog = catalog
        self._requests = requests
        self._usage = usage
        self._spending_limit = spending_limit

    def accept(self, new: NewImage) -> Accepted:
        """Store the image of a `POST /images`; a known one comes back with everything known of it.

        Raises what `accept_url` and `accept_content` raise, and ValueError without URL and content.
        """
        accepted = self._accept(new)
        if accepted.is_new:
            return accepted
        # Registering reads no findings, and of the ways in only this one answers with them.
        known = self._catalog.find(accepted.image.id)
        return replace(accepted, image=known or accepted.image)

    def accept_url(self, url: str, features: Sequence[Feature], requested_by: str = "") -> Accepted:
        """Fetch and store the image at `url`; `requested_by` is the name of the caller's token.

        The same bytes from another URL are the same image with one more source. Raises a subclass
        of FetchError or ImageContentError and stores nothing if the image cannot be fetched or
        used. Raises SpendingLimitReached before it fetches, even if the image may be known.
        """
        self._spending_limit.check(features, requested_by)
        self._decoder.start()  # it loads while the image is on its way
        with timed("FetchSeconds"):
            fetched = self._fetch(url)
        return self.accept_content(fetched.content, features, requested_by, source=url)

    def accept_content(
        self,
        content: bytes,
        features: Sequence[Feature],
        requested_by: str = "",
        source: str | None = None,
    ) -> Accepted:
        """Store the image in `content` and request the recognition of `features`.

        `requested_by` is the name of the caller's token, empty if nobody asked. `source` is the URL
        that the bytes come from, of which `source_of` is kept. An image that exists already gets
        the source and the features that it does not have. Raises a subclass of ImageContentError
        and stores nothing if the bytes are no usable image. Raises SpendingLimitReached likewise
        for features that are not known.
        """
        image_id = image_id_of_content(content)
        self._check_spending(image_id, features, requested_by)
        prepared = self._decoder.prepare(content)
        with about_image(image_id):
            return self._store_and_register(image_id, prepared, features, requested_by, source)

    def _accept(self, new: NewImage) -> Accepted:
        if new.content is not None:
            return self.accept_content(new.content, new.features, new.requested_by)
        if new.url is not None:
            return self.accept_url(new.url, new.features, new.requested_by)
        raise ValueError("A new image needs a URL or content.")

    def _check_spending(
        self, image_id: str, features: Sequence[Feature], requested_by: str
    ) -> None:
        try:
            self._spending_limit.check(features, requested_by)
        except SpendingLimitReached:
            row = self._catalog.row(image_id)
            if row is None:
                raise
            image = with_features_requested(row.image, features, datetime.now(UTC))
            if image.pending != row.image.pending:
                raise

    def _store_and_register(
        self,
        image_id: str,
        prepared: PreparedImage,
        features: Sequence[Feature],
        requested_by: str,
        source: str | None,
    ) -> Accepted:
        is_new = self._store.put(image_id, prepared.content, prepared.content_type, features)
        if is_new:
            count_bytes("BytesStored", len(prepared.content))
            logger.info("Stored %d x %d pixels", prepared.width, prepared.height)
        now = datetime.now(UTC)
        image = Image(
            image_id,
            Status.PENDING,
            now,
            sources=(source_of(source),) if source else (),
            content=Content(
                prepared.content_type, prepared.width, prepared.height, len(prepared.content)
            ),
            original=Original(
                prepared.original_kind, prepared.original_bytes, prepared.original_sha256
            ),
        )
        registered = self._catalog.register(
            with_features_requested(image, features, now, requested_by=requested_by),
            is_stored_anew=is_new,
        )
        # S3 announces a new object itself. But if another request registers the image concurrently,
        # recognition may have run already, without these features.
        if registered.added and not (is_new and registered.is_new):
            self._requests.send(image_id)
        if not is_new:
            pending = registered.image.pending
            saved = [feature for feature in features if feature not in pending]
            self._usage.count_saved(saved, image_id, now)
        return Accepted(registered.image, is_new)
