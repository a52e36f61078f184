"""The use case: the third party gets an image's result."""

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from chalicelib.aws.observability import about_image, count, timed
from chalicelib.aws.sqs_queue import GiveUp, Message, TryAgainLater
from chalicelib.catalog.images import Catalog
from chalicelib.integration import xml_document as integration_xml
from chalicelib.integration.retry_schedule import RetrySchedule
from chalicelib.integration.third_party import Attempt, AttemptOutcome, ThirdParty
from chalicelib.model.changes import with_attempt
from chalicelib.model.events import ResultEvent, parse_result_event
from chalicelib.model.image import Delivery, DeliveryStatus, Image

logger = logging.getLogger(__name__)


class DeliveryFailed(TryAgainLater):
    """The third party did not take the result this time; the message comes again."""


class DeliveryRefused(GiveUp):
    """The third party will not take the result, until somebody mends what is wrong."""


class ResultDelivery:
    """Delivers results, and notes on the image what became of them."""

    def __init__(self, catalog: Catalog, third_party: ThirdParty, schedule: RetrySchedule) -> None:
        self._catalog = catalog
        self._third_party = third_party
        self._schedule = schedule

    def process(self, message: Message) -> None:
        """Deliver the result that a message of the integration queue announces."""
        self.deliver(
            parse_result_event(message.body),
            receive_count=message.receive_count,
            last_try=message.is_last_receive,
        )

    def deliver(self, event: ResultEvent, *, receive_count: int, last_try: bool) -> None:
        """Send an image's result, unless the image is gone or the third party has it.

        Raises DeliveryFailed while there is a try left, and after the last one; DeliveryRefused
        where another would not help. The third party keeps the webhook-id to know a repetition.
        """
        with about_image(event.image_id):
            image = self._catalog.find(event.image_id)
            if image is None:
                logger.info("Removed before its result was delivered")
            elif _is_settled(image, event):
                logger.info("Delivery %d came to its end before", event.delivery)
            else:
                self._deliver(image, event, receive_count, last_try=last_try)

    def _deliver(
        self, image: Image, event: ResultEvent, receive_count: int, *, last_try: bool
    ) -> None:
        answer = self._try(image, event, last_try=last_try)
        pause = self._schedule.pause_seconds(receive_count, answer.retry_after_seconds)
        if answer.outcome is AttemptOutcome.WITHHELD:
            count("DeliveriesWithheld")
            self._catalog.revise(
                image.id, partial(with_attempt, delivery=_held(image, event, pause))
            )
            raise DeliveryFailed(answer.reason or "held back", pause)
        delivery = _after(answer, _delivery(image, event.delivery), pause, last_try=last_try)
        self._catalog.revise(image.id, partial(with_attempt, delivery=delivery))
        if delivery.status is DeliveryStatus.DELIVERED:
            count("ResultsDelivered")
            logger.info("Delivered at try %d", delivery.tries)
        elif delivery.status is DeliveryStatus.FAILED:
            count("DeliveriesFailed")
            logger.warning("Not delivered, at try %d: %s", delivery.tries, delivery.reason)
        if answer.outcome is AttemptOutcome.REFUSED:
            raise DeliveryRefused(delivery.reason)
        if answer.outcome is AttemptOutcome.TRY_AGAIN:
            raise DeliveryFailed(f"try {delivery.tries}: {answer.reason}", 0 if last_try else pause)

    def _try(self, image: Image, event: ResultEvent, *, last_try: bool) -> Attempt:
        try:
            document = integration_xml.document(image)
        except integration_xml.NoDocument as error:
            return Attempt(AttemptOutcome.REFUSED, f"not sent: {error}")
        try:
            with timed("DeliverySeconds"):
                return self._third_party.post(
                    document, webhook_id=event.id, bypass_circuit_breaker=last_try
                )
        except Exception as error:
            # Whatever it was, the image must show that its result is not delivered.
            logger.exception("Could not be sent")
            return Attempt(AttemptOutcome.TRY_AGAIN, f"not sent: {type(error).__name__}")


def _is_settled(image: Image, event: ResultEvent) -> bool:
    latest = max((delivery.number for delivery in image.deliveries), default=0)
    if latest > event.delivery:
        return True
    return _delivery(image, event.delivery).status is DeliveryStatus.DELIVERED


def _delivery(image: Image, number: int) -> Delivery:
    known = (delivery for delivery in image.deliveries if delivery.number == number)
    return next(known, Delivery(DeliveryStatus.PENDING, tries=0, number=number))


def _held(image: Image, event: ResultEvent, pause: float) -> Delivery:
    """The delivery's state where its try was held back: the last try, and when the next comes."""
    return replace(
        _delivery(image, event.delivery),
        status=DeliveryStatus.PENDING,
        next_try_at=_after_pause(pause),
    )


def _after(answer: Attempt, before: Delivery, pause: float, *, last_try: bool) -> Delivery:
    """The delivery's state after a try."""
    match answer.outcome:
        case AttemptOutcome.DELIVERED:
            status = DeliveryStatus.DELIVERED
        case AttemptOutcome.TRY_AGAIN if not last_try:
            status = DeliveryStatus.PENDING
        case _:
            status = DeliveryStatus.FAILED
    return Delivery(
        status,
        tries=before.tries + 1,
        last_tried_at=datetime.now(UTC),
        reason=answer.reason,
        number=before.number,
        status_code=answer.status_code,
        requested_at=before.requested_at,
        next_try_at=_after_pause(pause) if status is DeliveryStatus.PENDING else None,
    )


def _after_pause(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)
