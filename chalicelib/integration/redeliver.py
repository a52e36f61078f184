"""The use case: somebody asks for an image's result to be sent to the third party again."""

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
    """Begins deliveries, by way of the queue from which results are delivered."""

    def __init__(self, catalog: Catalog, client: Any, queue_url: str) -> None:
        self._catalog = catalog
        self._client = client
        self._queue_url = queue_url

    def begin(self, image_id: str) -> None:
        """Begin another delivery. Raises ImageNotFound, NoResultYet.

        The webhook-id stays: a third party that has the result will know it. One that is still
        waiting for its next try is superseded. The results topic is not told, because its other
        subscribers did not ask.
        """
        image = self._catalog.revise(image_id, partial(_sent_again, now=datetime.now(UTC)))
        if image is None:
            raise ImageNotFound.of(image_id)
        event, _ = result_event(image.summary(), image.deliveries[-1].number)
        self._client.send_message(QueueUrl=self._queue_url, MessageBody=json.dumps(event))


def _sent_again(image: Image, now: datetime) -> Image:
    if image.pending:
        raise NoResultYet(
            f"Image {image.id} has no result yet of {', '.join(image.pending)}. It is sent by "
            "itself as soon as there is one."
        )
    return with_new_delivery(image, now)
