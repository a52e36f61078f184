"""The use case: recognize the pending features of a stored image, each of them once."""

import contextlib
import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from chalicelib.aws.observability import about_image, count_outcome, timed
from chalicelib.aws.sqs_queue import Message
from chalicelib.catalog.forget import ImageRemoval
from chalicelib.catalog.images import Catalog
from chalicelib.catalog.leases import Kept, Lease, Leases
from chalicelib.model.changes import FeatureOutcome, with_features_requested
from chalicelib.model.events import images_to_recognize
from chalicelib.model.findings import Findings, RekognitionCall, merge_findings
from chalicelib.model.identity import image_key
from chalicelib.model.image import Failure, Image, Status
from chalicelib.recognition.failures import failure_of, is_temporary
from chalicelib.recognition.rekognition import (
    ImageRefused,
    ObjectUnreadable,
    Rekognition,
    RekognitionResponse,
    calls_for,
)
from chalicelib.recognition.request_rate import Throttled
from chalicelib.recognition.results_topic import ResultsTopic

# Longer than the timeout of the function that recognizes images (60 s), so that a lease expires
# only after its holder was cut off.
LEASE_DURATION = timedelta(seconds=75)

logger = logging.getLogger(__name__)


class RecognitionInProgress(Exception):
    """Raised when another invocation holds the lease on an image.

    SQS delivers the message again, in case that invocation is cut off.
    """


class ImageRecognition:
    """Calls Rekognition for an image, writes its findings to the catalog, publishes its result."""

    def __init__(
        self,
        rekognition: Rekognition,
        catalog: Catalog,
        removal: ImageRemoval,
        leases: Leases,
        results: ResultsTopic,
        lease_duration: timedelta = LEASE_DURATION,
    ) -> None:
        self._rekognition = rekognition
        self._catalog = catalog
        self._removal = removal
        self._leases = leases
        self._results_topic = results
        self._lease_duration = lease_duration

    def process(self, message: Message) -> None:
        """Recognize the images in a message of the recognition queue.

        Raises NotOurMessage, and what `recognize` raises.
        """
        for image_id in images_to_recognize(message.body):
            self.recognize(image_id, last_attempt=message.is_last_receive)

    def recognize(self, image_id: str, *, last_attempt: bool) -> None:
        """Recognize the pending features of a stored image; without any, publish its result again.

        A feature that failed for a temporary reason counts as pending: another message, such as a
        redriven dead letter, is a request to try again. Raises RecognitionInProgress while another
        invocation recognizes the image. Raises an error that may be temporary after writing the
        features that succeeded, so that SQS delivers the message again for the others. On the last
        attempt it also records the error as the failure of these features, and SQS moves the
        message to the dead-letter queue.
        """
        with about_image(image_id):
            lease = self._leases.acquire(image_id, _now(), self._lease_duration)
            if lease.token is None and self._has_requested_again(lease.row.image):
                lease = self._leases.acquire(image_id, _now(), self._lease_duration)
            if lease.token is None:
                self._publish_again(lease)
            else:
                self._recognize(lease, last_attempt=last_attempt)

    def _has_requested_again(self, image: Image) -> bool:
        """Request the features of an image again that failed for a temporary reason, if any."""
        features = [
            state.name for state in image.features if state.failure and is_temporary(state.failure)
        ]
        if image.pending or not features:
            return False
        logger.info("%s failed for a temporary reason: recognized again", ", ".join(features))
        request = partial(with_features_requested, features=features, now=_now())
        return self._catalog.revise(image.id, request) is not None

    def _recognize(self, lease: Lease, *, last_attempt: bool) -> None:
        round_ = _Round.after(self._leases.kept(lease)) if lease.is_takeover else _Round()
        known = {outcome.feature for outcome in round_.outcomes}
        for call in calls_for(set(lease.row.image.pending) - known):
            try:
                self._detect(call, lease, round_)
            except ImageRefused as refusal:
                round_.fail(call, refusal.failure)
            except Exception as error:
                round_.temporary_error = error
                if isinstance(error, ObjectUnreadable) and self._removal.forget(lease.row.image.id):
                    self._leases.discard(lease, [each.feature for each in round_.outcomes])
                    return
                if last_attempt and not isinstance(error, Throttled):
                    round_.fail(call, failure_of(error))
        if round_.outcomes:
            try:
                self._record(lease, round_)
            except Exception:
                # What was paid for is kept. The next attempt need not wait for the lease to expire.
                with contextlib.suppress(Exception):
                    self._leases.release(lease)
                raise
        else:
            self._leases.release(lease)
        if round_.temporary_error:
            raise round_.temporary_error

    def _detect(self, call: RekognitionCall, lease: Lease, round_: "_Round") -> None:
        with timed("RekognitionSeconds"):
            response = self._rekognition.detect(call, image_key(lease.row.image.id))
        # Paid for: kept before anything else, and before the next call.
        self._leases.keep(lease, call, response.findings, response.model_version, _now())
        round_.succeed(call, response)

    def _record(self, lease: Lease, round_: "_Round") -> None:
        row = self._leases.record(lease, round_.outcomes, merge_findings(round_.findings), _now())
        if row is None:
            self._leases.discard(lease, [each.feature for each in round_.outcomes])
            logger.info("Image was removed, or the lease lost, during recognition: result dropped")
            return
        for outcome in round_.outcomes:
            if outcome.failure:
                logger.warning(
                    "%s failed: %s: %s",
                    outcome.feature,
                    outcome.failure.code,
                    outcome.failure.reason,
                )
            else:
                requested_by = row.image.requested_by.get(outcome.feature, "")
                logger.info("%s recognized", outcome.feature, extra={"requested_by": requested_by})
        if row.image.pending:
            return
        count_outcome("ImagesRecognized", is_good=row.image.status is not Status.FAILED)
        self._results_topic.publish(row.summary(), row.image.result_delivery)

    def _publish_again(self, lease: Lease) -> None:
        """Publish the result of a message that was delivered again.

        An earlier invocation may have been cut off between writing the result and publishing it.
        """
        image = lease.row.image
        if image.pending:
            raise RecognitionInProgress(f"Another invocation is recognizing image {image.id}.")
        self._results_topic.publish(lease.row.summary(), image.result_delivery)


@dataclass
class _Round:
    """What one invocation knows so far of an image's pending features."""

    outcomes: list[FeatureOutcome] = field(default_factory=list)
    findings: list[Findings] = field(default_factory=list)
    temporary_error: Exception | None = None

    @classmethod
    def after(cls, kept: Kept) -> "_Round":
        """A round that begins with what an earlier invocation kept."""
        return cls(list(kept.outcomes), [kept.findings])

    def succeed(self, call: RekognitionCall, response: RekognitionResponse) -> None:
        """Add the findings of a call that is kept."""
        self.findings.append(response.findings)
        self.outcomes += [FeatureOutcome(each, response.model_version) for each in call.features]

    def fail(self, call: RekognitionCall, failure: Failure) -> None:
        """Add the failure of a call."""
        self.outcomes += [FeatureOutcome(feature, failure=failure) for feature in call.features]


def _now() -> datetime:
    return datetime.now(UTC)
