"""The use case: a caller requests features of images that are already stored."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import Any

from chalicelib.catalog.images import Catalog
from chalicelib.catalog.model_versions import ModelVersions
from chalicelib.catalog.pages import CatalogPages
from chalicelib.catalog.query import MAX_LIMIT, PageRequest
from chalicelib.catalog.spending_limit import SpendingLimit
from chalicelib.catalog.usage import Usage
from chalicelib.model.changes import with_features_requested
from chalicelib.model.errors import ImageNotFound
from chalicelib.model.events import recognition_request
from chalicelib.model.findings import Feature
from chalicelib.model.image import FeatureState, Image, Status


@dataclass(frozen=True)
class RequestedAgain:
    """How many failed images were requested again; `cursor` is None after the last of them."""

    images: int
    cursor: str | None


class RecognitionRequests:
    """Sends images to the recognition queue directly, without a notification from S3."""

    def __init__(
        self,
        catalog: Catalog,
        pages: CatalogPages,
        usage: Usage,
        model_versions: ModelVersions,
        client: Any,
        queue_url: str,
        spending_limit: SpendingLimit,
    ) -> None:
        self._catalog = catalog
        self._pages = pages
        self._usage = usage
        self._model_versions = model_versions
        self._client = client
        self._queue_url = queue_url
        self._spending_limit = spending_limit

    def request(self, image_id: str, features: Sequence[Feature], requested_by: str = "") -> bool:
        """Request features of a known image; returns whether any of them is pending afterwards.

        A recognized feature becomes pending again only if another model version than the latest
        recognized it; a failed feature always does. `requested_by` is the name of the caller's
        token. Raises ImageNotFound, and SpendingLimitReached if features that would become pending
        exceed a limit.
        """
        now = datetime.now(UTC)
        latest = self._model_versions.latest()

        def with_request(image: Image) -> Image:
            after = with_features_requested(image, features, now, latest, requested_by)
            added = [each for each in after.pending if each not in image.pending]
            self._spending_limit.check(added, requested_by)
            return after

        image = self._catalog.revise(image_id, with_request)
        if image is None:
            raise ImageNotFound.of(image_id)
        pending = [feature for feature in features if feature in image.pending]
        # A superfluous message does nothing, but a missing one would leave the image PENDING.
        if pending:
            self.send(image_id)
        self._usage.count_saved([each for each in features if each not in pending], image_id, now)
        return bool(pending)

    def request_failed(
        self, failure_code: str, cursor: str | None, requested_by: str = ""
    ) -> RequestedAgain:
        """Request the failed features of up to MAX_LIMIT images that failed with a code.

        The newest images come first. Raises InvalidRequest for a cursor of another code, and
        SpendingLimitReached if all of them together exceed a limit.
        """
        page = self._pages.page(
            PageRequest(status=Status.FAILED, failure=failure_code, limit=MAX_LIMIT, cursor=cursor)
        )
        failed = [_failed(each.features) for each in page.images]
        self._spending_limit.check(chain.from_iterable(failed), requested_by)
        requested = 0
        request = partial(_with_failed_requested, requested_by=requested_by)
        for each in page.images:
            image = self._catalog.revise(each.id, request)
            if image is not None and image.pending:
                self.send(image.id)
                requested += 1
        return RequestedAgain(requested, page.cursor)

    def send(self, image_id: str) -> None:
        """Queue an image for the recognition of its pending features."""
        self._client.send_message(
            QueueUrl=self._queue_url, MessageBody=json.dumps(recognition_request(image_id))
        )


def _with_failed_requested(image: Image, requested_by: str) -> Image:
    failed = _failed(image.features)
    return with_features_requested(image, failed, datetime.now(UTC), requested_by=requested_by)


def _failed(features: Iterable[FeatureState]) -> list[Feature]:
    return [state.name for state in features if state.status is Status.FAILED]
