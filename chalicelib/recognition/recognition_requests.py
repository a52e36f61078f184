"""The use case: a caller requests features of an image that is already stored."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from chalicelib.catalog.images import Catalog
from chalicelib.catalog.model_versions import ModelVersions
from chalicelib.catalog.usage import Usage
from chalicelib.model.changes import with_features_requested
from chalicelib.model.errors import ImageNotFound
from chalicelib.model.events import recognition_request
from chalicelib.model.findings import Feature


class RecognitionRequests:
    """Sends images to the recognition queue directly, without a notification from S3."""

    def __init__(
        self,
        catalog: Catalog,
        usage: Usage,
        model_versions: ModelVersions,
        client: Any,
        queue_url: str,
    ) -> None:
        self._catalog = catalog
        self._usage = usage
        self._model_versions = model_versions
        self._client = client
        self._queue_url = queue_url

    def begin(self, image_id: str, features: Sequence[Feature]) -> bool:
        """Request features of a known image; returns whether any of them is pending afterwards.

        A recognized feature becomes pending again only if another model version than the latest
        recognized it; a failed feature always does. Raises ImageNotFound.
        """
        now = datetime.now(UTC)
        latest = self._model_versions.latest()
        image = self._catalog.revise(
            image_id,
            partial(with_features_requested, features=features, now=now, latest_versions=latest),
        )
        if image is None:
            raise ImageNotFound.of(image_id)
        pending = [feature for feature in features if feature in image.pending]
        # A superfluous message does nothing, but a missing one would leave the image PENDING.
        if pending:
            self.send(image_id)
        self._usage.count_saved([each for each in features if each not in pending], image_id, now)
        return bool(pending)

    def send(self, image_id: str) -> None:
        """Queue an image for the recognition of its pending features."""
        self._client.send_message(
            QueueUrl=self._queue_url, MessageBody=json.dumps(recognition_request(image_id))
        )
