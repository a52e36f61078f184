"""The use case: deliver an image's result to the third party again, on request."""

import json
from datetime import UTC, datetime
from functools import partial
from typing import Any

from chalicelib.catalog.images import Catalog
from chalicelib.model.changes import with_new_delivery
from chalicelib.model.errors import ImageNotFound, NoResultYet
from chalicelib.model.events import result_event
from chalicelib.model.image import Image


class Redelivery:
    """Starts deliveries with a message to the integration queue."""

    def __init__(self, catalog: Catalog, client: Any, queue_url: str) -> None:
        self._catalog = catalog
        self._client = client
        self._queue_url = queue_url

    def begin(self, image_id: str) -> None:
        """Start another delivery; raises ImageNotFound, and NoResultYet for a pending image.

        The webhook-id stays the same, so the third party recognizes a result that it has already.
        The new delivery supersedes one that waits for its next attempt. The message goes to the
        queue and not to the results topic, whose other subscribers did not request it.
        """
        image = self._catalog.revise(
            image_id, partial(_with_requested_delivery, now=datetime.now(UTC))
        )
        if image is None:
            raise ImageNotFound.of(image_id)
        event, _ = result_event(image.summary(), image.deliveries[-1].number)
        self._client.send_message(QueueUrl=self._queue_url, MessageBody=json.dumps(event))


def _with_requested_delivery(image: Image, now: datetime) -> Image:
    if image.pending:
        raise NoResultYet(
            f"Image {image.id} has no result for {', '.join(image.pending)} yet. The result is "
            "delivered automatically as soon as it is complete."
        )
    return with_new_delivery(image, now)
