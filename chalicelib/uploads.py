"""Uploads: a picture that has no URL, or is too large for the API, goes straight to S3.

The caller gets a form that S3 itself holds to a size and a time. What arrives is kept apart, under
`uploads/`, until it was checked; then it is stored like any other picture and the upload is gone.
"""

import logging
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from chalicelib import catalog_items as items
from chalicelib.errors import ImageContentError, UploadNotFound
from chalicelib.intake import ImageIntake

KEY_PREFIX = "uploads/"
VALID_FOR = timedelta(minutes=15)
REMEMBERED_FOR = timedelta(days=7)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class UploadForm:
    """Where and with which fields to POST the file, until when, and its largest size in bytes."""

    id: str
    url: str
    fields: dict[str, str]
    expires_at: datetime
    max_bytes: int


@dataclass(frozen=True)
class Upload:
    """What became of an upload: WAITING, STORED as an image, or REFUSED with a code and why."""

    id: str
    status: str
    image_id: str | None = None
    code: str | None = None
    message: str | None = None


class Uploads:
    """The uploads of one stage."""

    def __init__(
        self,
        s3_client: Any,
        bucket_name: str,
        dynamodb_client: Any,
        table_name: str,
        max_bytes: int,
    ) -> None:
        self._s3 = s3_client
        self._bucket_name = bucket_name
        self._dynamodb = dynamodb_client
        self._table_name = table_name
        self._max_bytes = max_bytes

    def begin(self) -> UploadForm:
        """A form for one file."""
        upload_id = uuid.uuid4().hex
        now = datetime.now(UTC)
        self._write(Upload(upload_id, "WAITING"), now)
        form = self._s3.generate_presigned_post(
            Bucket=self._bucket_name,
            Key=KEY_PREFIX + upload_id,
            Conditions=[["content-length-range", 1, self._max_bytes]],
            ExpiresIn=int(VALID_FOR.total_seconds()),
        )
        return UploadForm(upload_id, form["url"], form["fields"], now + VALID_FOR, self._max_bytes)

    def find(self, upload_id: str) -> Upload:
        """What became of an upload; raises UploadNotFound."""
        answer = self._dynamodb.get_item(
            TableName=self._table_name, Key=_key(upload_id), ConsistentRead=True
        )
        if "Item" not in answer:
            raise UploadNotFound(
                f"There is no upload {upload_id!r}, or it was made more than "
                f"{REMEMBERED_FOR.days} days ago. POST /uploads begins one."
            )
        values = items.from_item(answer["Item"])
        return Upload(
            upload_id,
            values["status"],
            values.get("image_id"),
            values.get("code"),
            values.get("message"),
        )

    def take_in(self, upload_id: str, intake: ImageIntake) -> None:
        """Check a file that arrived, store it as an image or note why not, and remove it."""
        content = self._read(upload_id)
        if content is None:
            return  # this arrival was told twice
        try:
            accepted = intake.accept_content(content)
        except ImageContentError as refusal:
            upload = Upload(upload_id, "REFUSED", code=type(refusal).__name__, message=str(refusal))
            logger.info("Upload %s refused: %s", upload_id, refusal)
        else:
            upload = Upload(upload_id, "STORED", image_id=accepted.image.id)
        self._write(upload, datetime.now(UTC))
        self._s3.delete_object(Bucket=self._bucket_name, Key=KEY_PREFIX + upload_id)

    def _read(self, upload_id: str) -> bytes | None:
        try:
            answer = self._s3.get_object(Bucket=self._bucket_name, Key=KEY_PREFIX + upload_id)
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise
        content: bytes = answer["Body"].read()  # S3 held it to max_bytes
        return content

    def _write(self, upload: Upload, now: datetime) -> None:
        self._dynamodb.put_item(
            TableName=self._table_name,
            Item=_key(upload.id)
            | items.to_item(
                {
                    "status": upload.status,
                    "image_id": upload.image_id,
                    "code": upload.code,
                    "message": upload.message,
                    "expires_at": int((now + REMEMBERED_FOR).timestamp()),
                }
            ),
        )


def upload_id_of(key: str) -> str | None:
    """The upload whose file has this key, or None where the key is not of an upload."""
    upload_id = key.removeprefix(KEY_PREFIX)
    return upload_id if key.startswith(KEY_PREFIX) and upload_id.isalnum() else None


def _key(upload_id: str) -> dict[str, Any]:
    return items.to_item({"pk": f"UPLOAD#{upload_id}", "sk": "UPLOAD"})
