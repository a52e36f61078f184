"""Uploads: an image without a URL, or too large for an API request, goes directly to S3.

The caller gets a presigned POST form; S3 enforces its size limit and its expiry. The file stays
under `uploads/` until it is validated. Then it is stored like any other image, and the upload is
deleted.
"""

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from chalicelib.aws.dynamodb_table import Table
from chalicelib.model.errors import ImageContentError, UploadNotFound
from chalicelib.model.findings import Feature
from chalicelib.model.serialization import from_plain, to_plain
from chalicelib.model.texts import MAX_ID_BYTES, fits

if TYPE_CHECKING:
    from chalicelib.intake.accept import ImageIntake

UPLOADS_PREFIX = "uploads/"
VALID_FOR = timedelta(minutes=15)
RETENTION = timedelta(days=7)

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


@dataclass(frozen=True)
class Upload:
    """The state of an upload.

    `status` is WAITING, STORED (with `image_id`) or REFUSED (with an error's `code` and `message`).
    """

    id: str
    status: str
    features: tuple[Feature, ...] = ()
    image_id: str | None = None
    code: str | None = None
    message: str | None = None


class Uploads:
    """The uploads of one stage."""

    def __init__(
        self,
        client: Any,
        bucket_name: str,
        table: Table,
        max_bytes: int,
        default_features: tuple[Feature, ...],
    ) -> None:
        self._s3 = client
        self._bucket_name = bucket_name
        self._table = table
        self._max_bytes = max_bytes
        self._default_features = default_features

    def create(self, features: Sequence[Feature]) -> UploadForm:
        """Create an upload and its form; `features` are what to recognize in the image."""
        upload_id = uuid.uuid4().hex
        self._write(Upload(upload_id, "WAITING", tuple(features)), datetime.now(UTC))
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
        upload = self._read(upload_id) if fits(upload_id, MAX_ID_BYTES) else None
        if upload is None:
            raise UploadNotFound(
                f"There is no upload {upload_id!r:.100}, or it was created more than "
                f"{RETENTION.days} days ago. POST /uploads creates one."
            )
        return upload

    def take_in(self, upload_id: str, intake: "ImageIntake") -> None:
        """Validate an uploaded file and store its image, write the upload's state, delete the file.

        Does nothing if the file is gone, because S3 may announce it more than once.
        """
        content = self._content(upload_id)
        if content is None:
            return
        # An object that an authorized principal puts there without a form is an upload too.
        upload = self._read(upload_id) or Upload(upload_id, "WAITING", self._default_features)
        try:
            accepted = intake.accept_content(content, upload.features)
        except ImageContentError as refusal:
            upload = replace(
                upload, status="REFUSED", code=type(refusal).__name__, message=str(refusal)
            )
            logger.info("Upload %s refused: %s", upload_id, refusal)
        else:
            upload = replace(upload, status="STORED", image_id=accepted.image.id)
        self._write(upload, datetime.now(UTC))
        self._s3.delete_object(Bucket=self._bucket_name, Key=UPLOADS_PREFIX + upload_id)

    def _read(self, upload_id: str) -> Upload | None:
        values = self._table.get(*_key(upload_id))
        if values is None:
            return None
        known = {field.name: values[field.name] for field in fields(Upload) if field.name in values}
        return from_plain(Upload, {"id": upload_id, **known})

    def _content(self, upload_id: str) -> bytes | None:
        try:
            response = self._s3.get_object(Bucket=self._bucket_name, Key=UPLOADS_PREFIX + upload_id)
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise
        content: bytes = response["Body"].read()  # at most max_bytes: S3 enforces the form
        return content

    def _write(self, upload: Upload, now: datetime) -> None:
        pk, sk = _key(upload.id)
        expires_at = int((now + RETENTION).timestamp())
        values = to_plain(upload) | {"pk": pk, "sk": sk, "expires_at": expires_at}
        del values["id"]
        self._table.put(values)


def upload_id_of(key: str) -> str | None:
    """The upload id in an S3 key; None if the key is not that of an upload."""
    upload_id = key.removeprefix(UPLOADS_PREFIX)
    return upload_id if key.startswith(UPLOADS_PREFIX) and upload_id.isalnum() else None


def _key(upload_id: str) -> tuple[str, str]:
    return f"UPLOAD#{upload_id}", "UPLOAD"
