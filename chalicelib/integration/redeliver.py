"""The use cases: deliver an image's result again, on request or because its message was lost."""

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.aws.observability import about_image, count
from chalicelib.aws.sqs_queue import Queue
from chalicelib.catalog.backlog import Backlog, WaitingItem
from chalicelib.catalog.deliveries import Deliveries, new_delivery
from chalicelib.catalog.images import Catalog
from chalicelib.model.changes import with_new_delivery
from chalicelib.model.errors import ImageNotFound, NoResultYet
from chalicelib.model.events import result_event
from chalicelib.model.image import Delivery, DeliveryStatus, Image

MAX_OVERDUE = 250  # per run and shard of the index

logger = logging.getLogger(__name__)


class Redelivery:
    """Starts deliveries with a message to the integration queue.

    The message goes to the queue and not to the results topic, whose other subscribers did not
    request it. The webhook-id stays the same, so the third party recognizes a result that it has.
    """

    def __init__(
        self, catalog: Catalog, deliveries: Deliveries, client: Any, queue_url: str
    ) -> None:
        self._catalog = catalog
        self._deliveries = deliveries
        self._client = client
        self._queue_url = queue_url

    def request(self, image_id: str, requested_by: str = "") -> None:
        """Start another delivery; raises ImageNotFound, and NoResultYet for a pending image.

        `requested_by` is the name of the caller's token.

        The new delivery supersedes one that waits for its next attempt. It is written before its
        message is sent, so `OverdueDeliveries` sends the message if this is cut off.
        """
        image = self._catalog.revise(image_id, _with_requested_delivery)
        if image is None:
            raise ImageNotFound.of(image_id)
        delivery = new_delivery(image.last_delivery, datetime.now(UTC), requested_by)
        self._deliveries.begin(image_id, delivery)
        self.send(image, delivery.number)

    def send(self, image: Image, number: int) -> None:
        """Send the message of a delivery."""
        event, _ = result_event(image.summary(), number)
        self._client.send_message(QueueUrl=self._queue_url, MessageBody=json.dumps(event))


class OverdueDeliveries:
    """Sends the messages of deliveries again whose attempts are overdue by `age`.

    `deliveries_per_second` is how fast results are delivered at least.
    """

    def __init__(
        self,
        catalog: Catalog,
        deliveries: Deliveries,
        backlog: Backlog,
        redelivery: Redelivery,
        queue: Queue,
        age: timedelta,
        deliveries_per_second: float,
    ) -> None:
        self._catalog = catalog
        self._deliveries = deliveries
        self._backlog = backlog
        self._redelivery = redelivery
        self._queue = queue
        self._age = age
        self._deliveries_per_second = deliveries_per_second

    def send_again(self, now: datetime) -> None:
        """Send the messages of up to MAX_OVERDUE deliveries per shard, the oldest first.

        Sends none while so many messages wait in the queue that theirs may be among them.
        """
        overdue = self._backlog.waiting_deliveries(now - self._age, MAX_OVERDUE)
        if not overdue or not self._queue.is_caught_up(self._deliveries_per_second, self._age):
            return
        failed: list[Exception] = []
        for item in overdue:
            with about_image(item.image_id):
                try:
                    self._send_again(item, now)
                except Exception as error:  # the others must not wait for this one
                    logger.exception("An overdue delivery could not be sent again")
                    failed.append(error)
        if failed:
            raise failed[0]

    def _send_again(self, item: WaitingItem, now: datetime) -> None:
        image = self._catalog.find(item.image_id)
        delivery = _delivery(image, item.delivery_number) if image else None
        if image and delivery and delivery.status is DeliveryStatus.SUPERSEDED:
            self._deliveries.record(image.id, delivery)
            return
        if image and delivery and image.recognized_at:
            logger.warning("Delivery %d is overdue: its message is sent again", delivery.number)
            count("PutBack")
            self._redelivery.send(image, delivery.number)
        self._backlog.postpone(item, now)


def _delivery(image: Image, number: int) -> Delivery | None:
    return next((each for each in image.deliveries if each.number == number), None)


def _with_requested_delivery(image: Image) -> Image:
    if image.pending:
        raise NoResultYet(
            f"Image {image.id} has no result for {', '.join(image.pending)} yet. The result is "
            "delivered automatically as soon as it is complete."
        )
    return with_new_delivery(image)
