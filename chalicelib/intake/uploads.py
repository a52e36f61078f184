"""Uploads: an image without a URL, or too large for an API request, goes directly to S3.

The caller gets a presigned POST form; S3 enforces its size limit and its expiry. The file stays
under `uploads/` until it is validated. Then it is stored like any other image, and the upload is
deleted.
"""

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from chalicelib.aws.observability import about_request
from chalicelib.catalog.spending_limit import SpendingLimit
from chalicelib.intake.last_attempts import NOT_PROCESSED, end_of_attempt, is_lost
from chalicelib.intake.upload_records import RETENTION, Upload, UploadRecords
from chalicelib.model.errors import (
    ImageContentError,
    SpendingLimitReached,
    UploadExpired,
    UploadNotFound,
)
from chalicelib.model.findings import Feature
from chalicelib.model.image import Failure
from chalicelib.model.texts import MAX_ID_BYTES, fits

if TYPE_CHECKING:
    from chalicelib.intake.accept import ImageIntake

UPLOADS_PREFIX = "uploads/"
VALID_FOR = timedelta(minutes=15)

# S3 looks at a form's expiry when a request begins; sending a file takes some time, too.
SENT_WITHIN = timedelta(hours=1)

_EXPIRED = Failure(
    UploadExpired.__name__,
    "There is no file: none was sent to the upload's form while it was valid, or it expired before "
    "it could be processed. POST /uploads creates another upload.",
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class UploadForm:
    """A presigned POST for one file of 1 to `max_bytes` bytes.

    The caller POSTs `fields` and the file to `url` before `expires_at`.
    """

    id: str
    url: str
    fields: dict[str, str]
    expires_at: datetime
    max_bytes: int


class Uploads:
    """The uploads of one stage."""

    def __init__(
        self,
        client: Any,
        bucket_name: str,
        records: UploadRecords,
        max_bytes: int,
        default_features: tuple[Feature, ...],
        spending_limit: SpendingLimit,
    ) -> None:
        self._s3 = client
        self._bucket_name = bucket_name
        self._records = records
        self._max_bytes = max_bytes
        self._default_features = default_features
        self._spending_limit = spending_limit

    def create(self, features: Sequence[Feature], requested_by: str = "") -> UploadForm:
        """Create an upload and its form; `features` are what to recognize in the image.

        `requested_by` is the name of the caller's token. Raises SpendingLimitReached.
        """
        self._spending_limit.check(features, requested_by)
        upload_id = uuid.uuid4().hex
        now = datetime.now(UTC)
        self._records.write(
            Upload(upload_id, "WAITING", tuple(features), created_at=now, requested_by=requested_by)
        )
        return self._form(upload_id)

    def form(self, upload_id: str) -> UploadForm:
        """A new form for an upload; raises UploadNotFound."""
        return self._form(self.find(upload_id).id)

    def _form(self, upload_id: str) -> UploadForm:
        now = datetime.now(UTC)
        form = self._s3.generate_presigned_post(
            Bucket=self._bucket_name,
            Key=UPLOADS_PREFIX + upload_id,
            Conditions=[["content-length-range", 1, self._max_bytes]],
            ExpiresIn=int(VALID_FOR.total_seconds()),
        )
        return UploadForm(upload_id, form["url"], form["fields"], now + VALID_FOR, self._max_bytes)

    def find(self, upload_id: str) -> Upload:
        """The state of an upload; raises UploadNotFound."""
        upload = self._records.read(upload_id) if fits(upload_id, MAX_ID_BYTES) else None
        if upload is None:
            raise UploadNotFound(
                f"There is no upload {upload_id!r:.100}, or it was created more than "
                f"{RETENTION.days} days ago. POST /uploads creates one."
            )
        now = datetime.now(UTC)
        if not _is_overdue(upload, now):
            return upload
        if self._has_file(upload_id):
            return upload.ended("FAILED", NOT_PROCESSED) if _is_lost(upload, now) else upload
        # Meanwhile it may have been taken in, which deletes the file.
        latest = self._records.read(upload_id) or upload
        return latest.ended("FAILED", _EXPIRED) if latest.status == "WAITING" else latest

    def take_in(self, upload_id: str, intake: "ImageIntake", *, last_attempt: bool) -> None:
        """Validate an uploaded file and store its image, write the upload's state, delete the file.

        S3 may announce a file more than once; an upload that is settled stays as it is. Any error
        of the last attempt leaves the state FAILED, and is raised, so that the message becomes a
        dead letter.
        """
        upload = self._records.read(upload_id)
        content = self._content(upload_id)
        if content is None:
            if upload is not None:
                self._records.write_failure(upload.ended("FAILED", _EXPIRED))
            return
        now = datetime.now(UTC)
        # An object that an authorized principal puts there without a form is an upload too.
        upload = upload or Upload(upload_id, "WAITING", self._default_features, created_at=now)
        if last_attempt:
            failed = upload.ended("FAILED", NOT_PROCESSED)
            self._records.write_failure(failed, end_of_attempt(now))
        try:
            with about_request(upload.requested_by, f"POST /uploads {upload_id}"):
                accepted = intake.accept_content(content, upload.features, upload.requested_by)
        except (ImageContentError, SpendingLimitReached) as refusal:
            failure = Failure(type(refusal).__name__, str(refusal))
            is_refused = isinstance(refusal, ImageContentError)
            status = "REFUSED" if is_refused else "FAILED"  # it is not the file's fault
            self._records.write_settled(upload.ended(status, failure))
            logger.info("Upload %s refused: %s", upload_id, refusal)
        else:
            self._records.write_settled(upload.stored(accepted.image.id))
        self._s3.delete_object(Bucket=self._bucket_name, Key=UPLOADS_PREFIX + upload_id)

    def _has_file(self, upload_id: str) -> bool:
        try:
            self._s3.head_object(Bucket=self._bucket_name, Key=UPLOADS_PREFIX + upload_id)
        except ClientError as error:
            if error.response["Error"]["Code"] == "404":
                return False
            raise
        return True

    def _content(self, upload_id: str) -> bytes | None:
        try:
            response = self._s3.get_object(Bucket=self._bucket_name, Key=UPLOADS_PREFIX + upload_id)
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise
        content: bytes = response["Body"].read()  # at most max_bytes: S3 enforces the form
        return content


def upload_id_of(key: str) -> str | None:
    """The upload id in an S3 key; None if the key is not that of an upload."""
    upload_id = key.removeprefix(UPLOADS_PREFIX)
    return upload_id if key.startswith(UPLOADS_PREFIX) and upload_id.isalnum() else None


def _is_overdue(upload: Upload, now: datetime) -> bool:
    """Whether the file of an upload that is WAITING should have come."""
    if upload.status != "WAITING" or upload.created_at is None:
        return False
    return now > upload.created_at + VALID_FOR + SENT_WITHIN


def _is_lost(upload: Upload, now: datetime) -> bool:
    """Whether no message about the upload can be in the queue any more."""
    return upload.created_at is not None and is_lost(upload.created_at + VALID_FOR, now)
