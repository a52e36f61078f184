"""The use case: deliver an image's result to the third party."""

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from chalicelib.aws.observability import about_image, count, count_outcome, timed
from chalicelib.aws.sqs_queue import GiveUp, Message, TryAgainLater
from chalicelib.catalog.deliveries import Deliveries
from chalicelib.catalog.images import Catalog
from chalicelib.integration import xml_document
from chalicelib.integration.retry_schedule import RetrySchedule
from chalicelib.integration.third_party import Attempt, AttemptOutcome, ThirdParty
from chalicelib.model.events import ResultEvent, parse_result_event, result_event_id
from chalicelib.model.image import Delivery, DeliveryStatus, Image

NO_THIRD_PARTY = (
    "the stage has no third party: deploy it with THIRD_PARTY_URL, then POST to this image's "
    "deliveries"
)

logger = logging.getLogger(__name__)


class DeliveryFailed(TryAgainLater):
    """Raised when an attempt fails; SQS delivers the message again after a pause."""


class DeliveryRefused(GiveUp):
    """Raised when the third party refuses the result; another attempt would not help."""


class ResultDelivery:
    """Delivers results and records every attempt on the image."""

    def __init__(
        self,
        catalog: Catalog,
        deliveries: Deliveries,
        third_party: ThirdParty | None,
        schedule: RetrySchedule,
    ) -> None:
        self._catalog = catalog
        self._deliveries = deliveries
        self._third_party = third_party
        self._schedule = schedule

    def process(self, message: Message) -> None:
        """Deliver the result that a message of the integration queue announces."""
        self.deliver(
            parse_result_event(message.body),
            receive_count=message.receive_count,
            last_attempt=message.is_last_receive,
        )

    def deliver(self, event: ResultEvent, *, receive_count: int, last_attempt: bool) -> None:
        """Send an image's result, unless the image is gone or the third party has it already.

        `receive_count` is 1 for the first attempt; `last_attempt` says that the message will not be
        received again. Raises DeliveryFailed if the attempt fails, the last one included, and
        DeliveryRefused if another attempt would not help. The third party recognizes a repetition
        by its webhook-id.
        """
        with about_image(event.image_id):
            image = self._catalog.find(event.image_id)
            if image is None:
                logger.info("Not sent: the image was removed before its result was delivered")
                return
            delivery = _delivery(image, event)
            if delivery is None or delivery.status is DeliveryStatus.DELIVERED:
                logger.info("Delivery %d has already ended", event.delivery)
            elif delivery.status is DeliveryStatus.SUPERSEDED:
                logger.info("Not sent: a later delivery supersedes delivery %d", event.delivery)
                self._record(image, delivery)
            else:
                self._deliver(image, delivery, event, receive_count, last_attempt=last_attempt)

    def _deliver(
        self,
        image: Image,
        before: Delivery,
        event: ResultEvent,
        receive_count: int,
        *,
        last_attempt: bool,
    ) -> None:
        if self._third_party is None:
            not_configured = DeliveryStatus.NOT_CONFIGURED
            self._record(image, replace(before, status=not_configured, reason=NO_THIRD_PARTY))
            return
        attempt = self._attempt(self._third_party, image, event, last_attempt=last_attempt)
        pause = self._schedule.pause_seconds(receive_count, attempt.retry_after_seconds)
        if attempt.outcome is AttemptOutcome.WITHHELD:
            count("DeliveriesWithheld")
            self._record(image, _withheld(before, pause))
            raise DeliveryFailed(attempt.reason or "withheld", pause)
        delivery = _after(attempt, before, pause, last_attempt=last_attempt)
        self._record(image, delivery)
        if delivery.status is DeliveryStatus.DELIVERED:
            count_outcome("ResultsDelivered", is_good=True)
            logger.info("Delivered at attempt %d", delivery.tries)
        elif delivery.status is DeliveryStatus.FAILED:
            count_outcome("ResultsDelivered", is_good=False)
            logger.warning("Not delivered at attempt %d: %s", delivery.tries, delivery.reason)
        if attempt.outcome is AttemptOutcome.REFUSED:
            raise DeliveryRefused(delivery.reason)
        if attempt.outcome is AttemptOutcome.TRY_AGAIN:
            raise DeliveryFailed(
                f"attempt {delivery.tries}: {attempt.reason}", 0 if last_attempt else pause
            )

    def _attempt(
        self, third_party: ThirdParty, image: Image, event: ResultEvent, *, last_attempt: bool
    ) -> Attempt:
        try:
            document = xml_document.document(image)
        except xml_document.NoDocument as error:
            return Attempt(AttemptOutcome.REFUSED, f"not sent: {error}")
        try:
            with timed("DeliverySeconds"):
                return third_party.post(
                    document, webhook_id=event.id, bypass_circuit_breaker=last_attempt
                )
        except Exception as error:
            # Whatever it is, the image must show that its result is not delivered.
            logger.exception("Could not send the result")
            return Attempt(AttemptOutcome.TRY_AGAIN, f"not sent: {type(error).__name__}")

    def _record(self, image: Image, delivery: Delivery) -> None:
        self._deliveries.record(image.id, delivery)


def _delivery(image: Image, event: ResultEvent) -> Delivery | None:
    """The delivery that an event starts; None if the image has no such delivery any more.

    That is so for one of a result before the current one, which has a delivery of its own.
    """
    if image.recognized_at is None or event.id != result_event_id(image):
        return None
    known = (delivery for delivery in image.deliveries if delivery.number == event.delivery)
    return next(known, None)


def _withheld(before: Delivery, pause: float) -> Delivery:
    """The delivery after an attempt that the circuit breaker withheld: when the next one comes."""
    return replace(before, status=DeliveryStatus.PENDING, next_try_at=_after_pause(pause))


def _after(attempt: Attempt, before: Delivery, pause: float, *, last_attempt: bool) -> Delivery:
    """The delivery after an attempt."""
    match attempt.outcome:
        case AttemptOutcome.DELIVERED:
            status = DeliveryStatus.DELIVERED
        case AttemptOutcome.TRY_AGAIN if not last_attempt:
            status = DeliveryStatus.PENDING
        case _:
            status = DeliveryStatus.FAILED
    return Delivery(
        status,
        tries=before.tries + 1,
        last_tried_at=datetime.now(UTC),
        reason=attempt.reason,
        number=before.number,
        status_code=attempt.status_code,
        requested_at=before.requested_at,
        next_try_at=_after_pause(pause) if status is DeliveryStatus.PENDING else None,
        requested_by=before.requested_by,
    )


def _after_pause(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)
