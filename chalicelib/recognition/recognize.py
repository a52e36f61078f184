"""The use case: Rekognition is asked what is pending of a stored image, once."""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from chalicelib.aws.observability import about_image, count, timed
from chalicelib.catalog.image_store import ImageStore, key_of
from chalicelib.catalog.images import Catalog
from chalicelib.catalog.leases import Claim, Claims
from chalicelib.catalog.model_versions import ModelVersions
from chalicelib.model.changes import Outcome
from chalicelib.model.image import Failure, Status
from chalicelib.recognition.rekognition import (
    ImageRefused,
    ObjectUnreadable,
    Question,
    Rekognition,
    Told,
    questions,
    together,
)
from chalicelib.recognition.results_topic import Results

# Longer than the function that recognizes may run (60 s), so that a claim outlives its holder
# only when the holder was cut off.
LEASE = timedelta(seconds=75)

logger = logging.getLogger(__name__)


class RecognizedElsewhere(Exception):
    """Another invocation holds the claim; the message comes again, in case that one is cut off."""


class ImageRecognition:
    """Asks Rekognition about an image, writes the answers, tells them."""

    def __init__(
        self,
        store: ImageStore,
        rekognition: Rekognition,
        catalog: Catalog,
        claims: Claims,
        results: Results,
        model_versions: ModelVersions,
        lease: timedelta = LEASE,
    ) -> None:
        self._store = store
        self._rekognition = rekognition
        self._catalog = catalog
        self._claims = claims
        self._results = results
        self._model_versions = model_versions
        self._lease = lease

    def recognize(self, image_id: str, *, last_try: bool) -> None:
        """Recognize what is pending of a stored image, if anything is.

        Raises what may pass, so that the message comes again for the features it concerns. On the
        last try that is their failure as well, and the message goes to the dead-letter queue.
        """
        with about_image(image_id):
            claim = self._claims.claim(image_id, _now(), self._lease)
            if claim.token is None:
                self._tell_again(claim)
            else:
                self._recognize(claim, last_try=last_try)

    def _recognize(self, claim: Claim, *, last_try: bool) -> None:
        told: list[Told] = []
        asked: list[Question] = []
        outcomes: list[Outcome] = []
        passing: Exception | None = None
        for question in questions(claim.row.image.pending):
            try:
                answer = self._ask(question, claim)
            except ImageRefused as refusal:
                outcomes += _failed(question, refusal.failure)
            except Exception as error:
                passing = error
                if isinstance(error, ObjectUnreadable) and not self._store.holds(
                    claim.row.image.id
                ):
                    self._drop(claim)
                    return
                if last_try:
                    outcomes += _failed(question, Failure(type(error).__name__, str(error)))
            else:
                told.append(answer)
                asked.append(question)
                outcomes += [Outcome(each, answer.model_version) for each in question.features]
        if outcomes:
            self._record(claim, outcomes, told, asked)
        else:
            self._claims.release(claim)
        if passing:
            raise passing

    def _ask(self, question: Question, claim: Claim) -> Told:
        with timed("RekognitionSeconds"):
            return self._rekognition.ask(question, key_of(claim.row.image.id))

    def _record(
        self,
        claim: Claim,
        outcomes: list[Outcome],
        told: list[Told],
        asked: list[Question],
    ) -> None:
        findings = together(each.findings for each in told)
        row = self._claims.record(claim, outcomes, findings, asked, _now())
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
        self._results.tell(row.summary(), row.image.result_delivery)

    def _tell_again(self, claim: Claim) -> None:
        """A message that came twice: the first may have been cut off before it told the result."""
        image = claim.row.image
        if image.pending:
            raise RecognizedElsewhere(f"Image {image.id} is being recognized just now.")
        self._results.tell(claim.row.summary(), image.result_delivery)

    def _drop(self, claim: Claim) -> None:
        """The object was removed before its arrival was worked on: the claim's item goes too."""
        logger.info("Not stored any more: forgotten")
        self._catalog.forget(self._catalog.snapshot(claim.row.image.id))


def _failed(question: Question, failure: Failure) -> Iterable[Outcome]:
    return [Outcome(feature, failure=failure) for feature in question.features]


def _now() -> datetime:
    return datetime.now(UTC)
