"""The use case: Rekognition is asked what is pending of a stored image, once."""

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

# Longer than the function that recognizes may run (60 s), so that a lease outlives its holder
# only when the holder was cut off.
LEASE = timedelta(seconds=75)

logger = logging.getLogger(__name__)


class RecognitionInProgress(Exception):
    """Another invocation holds the lease; the message comes again, in case that one is cut off."""


class ImageRecognition:
    """Asks Rekognition about an image, writes the answers, tells them."""

    def __init__(
        self,
        store: ImageStore,
        rekognition: Rekognition,
        catalog: Catalog,
        leases: Leases,
        results: ResultsTopic,
        model_versions: ModelVersions,
        lease: timedelta = LEASE,
    ) -> None:
        self._store = store
        self._rekognition = rekognition
        self._catalog = catalog
        self._leases = leases
        self._results_topic = results
        self._model_versions = model_versions
        self._lease = lease

    def process(self, message: Message) -> None:
        """Recognize the images that a message of the recognition queue names."""
        for image_id in images_to_recognize(message.body):
            self.recognize(image_id, last_try=message.is_last_receive)

    def recognize(self, image_id: str, *, last_try: bool) -> None:
        """Recognize what is pending of a stored image, if anything is.

        Raises what may pass, so that the message comes again for the features it concerns. On the
        last try that is their failure as well, and the message goes to the dead-letter queue.
        """
        with about_image(image_id):
            lease = self._leases.lease(image_id, _now(), self._lease)
            if lease.token is None:
                self._publish_again(lease)
            else:
                self._recognize(lease, last_try=last_try)

    def _recognize(self, lease: Lease, *, last_try: bool) -> None:
        told: list[RekognitionResponse] = []
        asked: list[RekognitionCall] = []
        outcomes: list[FeatureOutcome] = []
        passing: Exception | None = None
        for question in calls_for(lease.row.image.pending):
            try:
                answer = self._ask(question, lease)
            except ImageRefused as refusal:
                outcomes += _failed(question, refusal.failure)
            except Exception as error:
                passing = error
                if isinstance(error, ObjectUnreadable) and not self._store.exists(
                    lease.row.image.id
                ):
                    self._drop(lease)
                    return
                if last_try:
                    outcomes += _failed(question, Failure(type(error).__name__, str(error)))
            else:
                told.append(answer)
                asked.append(question)
                outcomes += [
                    FeatureOutcome(each, answer.model_version) for each in question.features
                ]
        if outcomes:
            self._record(lease, outcomes, told, asked)
        else:
            self._leases.release(lease)
        if passing:
            raise passing

    def _ask(self, question: RekognitionCall, lease: Lease) -> RekognitionResponse:
        with timed("RekognitionSeconds"):
            return self._rekognition.ask(question, image_key(lease.row.image.id))

    def _record(
        self,
        lease: Lease,
        outcomes: list[FeatureOutcome],
        told: list[RekognitionResponse],
        asked: list[RekognitionCall],
    ) -> None:
        findings = merge_findings(each.findings for each in told)
        row = self._leases.record(lease, outcomes, findings, asked, _now())
        if row is None:
            logger.info("Removed while it was recognized: the result is dropped")
            return
        self._model_versions.note(outcomes)
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
        """A message that came twice: the first may have been cut off before it told the result."""
        image = lease.row.image
        if image.pending:
            raise RecognitionInProgress(f"Image {image.id} is being recognized just now.")
        self._results_topic.publish(lease.row.summary(), image.result_delivery)

    def _drop(self, lease: Lease) -> None:
        """The object was removed before its arrival was worked on: the lease's item goes too."""
        logger.info("Not stored any more: forgotten")
        self._catalog.forget(self._catalog.snapshot(lease.row.image.id))


def _failed(question: RekognitionCall, failure: Failure) -> Iterable[FeatureOutcome]:
    return [FeatureOutcome(feature, failure=failure) for feature in question.features]


def _now() -> datetime:
    return datetime.now(UTC)
