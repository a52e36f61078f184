"""The use case: the third party gets an image's result."""

import logging
from datetime import UTC, datetime

from chalicelib import integration_xml
from chalicelib.catalog import Catalog
from chalicelib.events import ResultEvent
from chalicelib.model import Delivery, DeliveryStatus
from chalicelib.observability import about_image, count, timed
from chalicelib.third_party import Outcome, ThirdParty

logger = logging.getLogger(__name__)


class DeliveryFailed(Exception):
    """The third party did not take the result this time; the message comes again."""


class ResultDelivery:
    """Delivers results, and notes on the image what became of them."""

    def __init__(self, catalog: Catalog, third_party: ThirdParty) -> None:
        self._catalog = catalog
        self._third_party = third_party

    def deliver(self, event: ResultEvent, *, last_try: bool) -> None:
        """Send an image's result, unless the image is gone or the third party has it.

        Raises DeliveryFailed while there is a try left or the message belongs into the
        dead-letter queue. The third party keeps the webhook-id to know a repetition.
        """
        with about_image(event.image_id):
            self._deliver(event, last_try=last_try)

    def _deliver(self, event: ResultEvent, *, last_try: bool) -> None:
        image = self._catalog.find(event.image_id)
        if image is None:
            logger.info("Removed before its result was delivered")
            return
        before = image.delivery
        if before is not None and before.status is DeliveryStatus.DELIVERED:
            return
        document = integration_xml.document(image)
        with timed("DeliverySeconds"):
            answer = self._third_party.post(document, webhook_id=event.id)
        gives_up = answer.outcome is Outcome.REFUSED or last_try
        delivery = Delivery(
            status=(
                DeliveryStatus.DELIVERED
                if answer.outcome is Outcome.DELIVERED
                else DeliveryStatus.FAILED
                if gives_up
                else DeliveryStatus.PENDING
            ),
            tries=(before.tries if before else 0) + 1,
            last_tried_at=datetime.now(UTC),
            reason=answer.reason,
        )
        self._catalog.record_delivery(image.id, delivery)
        if delivery.status is DeliveryStatus.DELIVERED:
            count("ResultsDelivered")
            logger.info("Delivered at try %d", delivery.tries)
        elif delivery.status is DeliveryStatus.FAILED:
            count("DeliveriesFailed")
            logger.warning("Not delivered, at try %d: %s", delivery.tries, delivery.reason)
        if answer.outcome is Outcome.TRY_AGAIN:
            raise DeliveryFailed(f"Image {image.id}, try {delivery.tries}: {answer.reason}")
