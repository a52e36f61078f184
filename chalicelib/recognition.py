"""The use case: a stored image becomes a recognized one, once."""

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from chalicelib.catalog import Catalog, Claim
from chalicelib.model import Failure, Status
from chalicelib.observability import about_image, count, timed
from chalicelib.rekognition import ImageRefused, ObjectUnreadable, Rekognition
from chalicelib.results import Results
from chalicelib.storage import ImageStore, key_of

# Longer than the function that recognizes may run (60 s), so that a claim outlives its holder
# only when the holder was cut off.
LEASE = timedelta(seconds=75)

logger = logging.getLogger(__name__)


class RecognizedElsewhere(Exception):
    """Another invocation holds the claim; the message comes again, in case that one is cut off."""


class ImageRecognition:
    """Asks Rekognition about an image, writes the answer, tells it."""

    def __init__(
        self, store: ImageStore, rekognition: Rekognition, catalog: Catalog, results: Results
    ) -> None:
        self._store = store
        self._rekognition = rekognition
        self._catalog = catalog
        self._results = results

    def recognize(self, image_id: str, *, last_try: bool) -> None:
        """Recognize a stored image, unless it has a result.

        Raises what may pass, so that the message comes again. On the last try that is the image's
        failure as well, and the message goes to the dead-letter queue.
        """
        with about_image(image_id):
            self._recognize(image_id, last_try=last_try)

    def _recognize(self, image_id: str, *, last_try: bool) -> None:
        claim = self._catalog.claim(image_id, _now(), LEASE)
        if claim.token is None:
            self._tell_again(claim)
            return
        try:
            with timed("RekognitionSeconds"):
                recognition = self._rekognition.detect_labels(
                    self._store.bucket_name, key_of(image_id)
                )
        except ImageRefused as refusal:
            self._fail(claim, refusal.failure)
        except ObjectUnreadable as error:
            if self._store.holds(image_id):
                self._give_back(claim, error, last_try=last_try)
                raise
            self._drop(claim)
        except Exception as error:
            self._give_back(claim, error, last_try=last_try)
            raise
        else:
            now = _now()
            if self._catalog.record_recognition(claim, recognition, now):
                count("ImagesRecognized")
                logger.info("Recognized %d labels", len(recognition.labels))
                self._results.tell(
                    replace(
                        claim.image,
                        status=Status.RECOGNIZED,
                        labels=recognition.labels,
                        recognized_at=now,
                    )
                )
            else:
                logger.info("Removed while it was recognized: the result is dropped")

    def _tell_again(self, claim: Claim) -> None:
        """A message that came twice: the first may have been cut off before it told the result."""
        if claim.image.status is Status.PENDING:
            raise RecognizedElsewhere(f"Image {claim.image.id} is being recognized just now.")
        self._results.tell(claim.image)

    def _give_back(self, claim: Claim, error: Exception, *, last_try: bool) -> None:
        if last_try:
            self._fail(claim, Failure(type(error).__name__, str(error)))
        else:
            self._catalog.release(claim)

    def _fail(self, claim: Claim, failure: Failure) -> None:
        now = _now()
        if self._catalog.record_failure(claim, failure, now):
            count("ImagesFailed")
            logger.warning("Cannot be recognized: %s: %s", failure.code, failure.reason)
            self._results.tell(
                replace(claim.image, status=Status.FAILED, failure=failure, recognized_at=now)
            )

    def _drop(self, claim: Claim) -> None:
        """The object was removed before its arrival was worked on: the claim's item goes too."""
        logger.info("Not stored any more: forgotten")
        self._catalog.forget(self._catalog.snapshot(claim.image.id))


def _now() -> datetime:
    return datetime.now(UTC)
