"""The use case: recognize the pending features of a stored image, each of them once."""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from chalicelib.aws.observability import about_image, count, timed
from chalicelib.aws.sqs_queue import Message
from chalicelib.catalog.image_store import ImageStore
from chalicelib.catalog.images import Catalog
from chalicelib.catalog.leases import Lease, Leases
from chalicelib.catalog.model_versions import ModelVersions
from chalicelib.model.changes import FeatureOutcome
from chalicelib.model.events import images_to_recognize
from chalicelib.model.findings import RekognitionCall, merge_findings
from chalicelib.model.identity import image_key
from chalicelib.model.image import Failure, Status
from chalicelib.recognition.rekognition import (
    ImageRefused,
    ObjectUnreadable,
    Rekognition,
    RekognitionResponse,
    calls_for,
)
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
        store: ImageStore,
        rekognition: Rekognition,
        catalog: Catalog,
        leases: Leases,
        results: ResultsTopic,
        model_versions: ModelVersions,
        lease_duration: timedelta = LEASE_DURATION,
    ) -> None:
        self._store = store
        self._rekognition = rekognition
        self._catalog = catalog
        self._leases = leases
        self._results_topic = results
        self._model_versions = model_versions
        self._lease_duration = lease_duration

    def process(self, message: Message) -> None:
        """Recognize the images in a message of the recognition queue.

        Raises NotOurMessage, and what `recognize` raises.
        """
        for image_id in images_to_recognize(message.body):
            self.recognize(image_id, last_attempt=message.is_last_receive)

    def recognize(self, image_id: str, *, last_attempt: bool) -> None:
        """Recognize the pending features of a stored image; without any, publish its result again.

        Raises RecognitionInProgress while another invocation recognizes the image. Raises an error
        that may be temporary after writing the features that succeeded, so that SQS delivers the
        message again for the others. On the last attempt it also records the error as the failure
        of these features, and SQS moves the message to the dead-letter queue.
        """
        with about_image(image_id):
            lease = self._leases.acquire(image_id, _now(), self._lease_duration)
            if lease.token is None:
                self._publish_again(lease)
            else:
                self._recognize(lease, last_attempt=last_attempt)

    def _recognize(self, lease: Lease, *, last_attempt: bool) -> None:
        responses: list[RekognitionResponse] = []
        calls: list[RekognitionCall] = []
        outcomes: list[FeatureOutcome] = []
        temporary_error: Exception | None = None
        for call in calls_for(lease.row.image.pending):
            try:
                response = self._detect(call, lease)
            except ImageRefused as refusal:
                outcomes += _failed(call, refusal.failure)
            except Exception as error:
                temporary_error = error
                if isinstance(error, ObjectUnreadable) and not self._store.exists(
                    lease.row.image.id
                ):
                    self._forget(lease)
                    return
                if last_attempt:
                    outcomes += _failed(call, Failure(type(error).__name__, str(error)))
            else:
                responses.append(response)
                calls.append(call)
                outcomes += [
                    FeatureOutcome(feature, response.model_version) for feature in call.features
                ]
        if outcomes:
            self._record(lease, outcomes, responses, calls)
        else:
            self._leases.release(lease)
        if temporary_error:
            raise temporary_error

    def _detect(self, call: RekognitionCall, lease: Lease) -> RekognitionResponse:
        with timed("RekognitionSeconds"):
            return self._rekognition.detect(call, image_key(lease.row.image.id))

    def _record(
        self,
        lease: Lease,
        outcomes: list[FeatureOutcome],
        responses: list[RekognitionResponse],
        calls: list[RekognitionCall],
    ) -> None:
        findings = merge_findings(response.findings for response in responses)
        row = self._leases.record(lease, outcomes, findings, calls, _now())
        if row is None:
            logger.info("Image was removed, or the lease lost, during recognition: result dropped")
            return
        self._model_versions.record(outcomes)
        for outcome in outcomes:
            if outcome.failure:
                logger.warning(
                    "%s failed: %s: %s",
                    outcome.feature,
                    outcome.failure.code,
                    outcome.failure.reason,
                )
            else:
                logger.info("%s recognized", outcome.feature)
        if row.image.pending:
            return
        count("ImagesFailed" if row.image.status is Status.FAILED else "ImagesRecognized")
        self._results_topic.publish(row.summary(), row.image.result_delivery)

    def _publish_again(self, lease: Lease) -> None:
        """Publish the result of a message that was delivered again.

        An earlier invocation may have been cut off between writing the result and publishing it.
        """
        image = lease.row.image
        if image.pending:
            raise RecognitionInProgress(f"Another invocation is recognizing image {image.id}.")
        self._results_topic.publish(lease.row.summary(), image.result_delivery)

    def _forget(self, lease: Lease) -> None:
        """Delete the items of an image whose object was removed before it was recognized."""
        logger.info("Image is not stored in S3 any more: deleted its items")
        self._catalog.forget(self._catalog.snapshot(lease.row.image.id))


def _failed(call: RekognitionCall, failure: Failure) -> Iterable[FeatureOutcome]:
    return [FeatureOutcome(feature, failure=failure) for feature in call.features]


def _now() -> datetime:
    return datetime.now(UTC)
