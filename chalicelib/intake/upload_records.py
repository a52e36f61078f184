"""The items of uploads in the catalog table."""

from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.aws.dynamodb_table import Table
from chalicelib.intake.last_attempts import has_ended
from chalicelib.model.findings import Feature
from chalicelib.model.image import Failure
from chalicelib.model.serialization import from_plain, to_plain

# As long as files stay under `uploads/` (infra/api.yaml): longer than dead letters about them do.
RETENTION = timedelta(days=15)


@dataclass(frozen=True)
class Upload:
    """The state of an upload.

    `status` is WAITING, STORED (with `image_id`), or with an error's `code` and `message` REFUSED,
    because of the file, or FAILED, because it could not be processed or never came. `requested_by`
    is the name of the token that created it; callers do not see it.
    """

    id: str
    status: str
    features: tuple[Feature, ...] = ()
    image_id: str | None = None
    code: str | None = None
    message: str | None = None
    created_at: datetime | None = None
    requested_by: str = ""

    def ended(self, status: str, failure: Failure) -> "Upload":
        """The upload after it is REFUSED or has FAILED."""
        return replace(self, status=status, code=failure.code, message=failure.reason)

    def stored(self, image_id: str) -> "Upload":
        """The upload after its image is stored."""
        return replace(self, status="STORED", image_id=image_id, code=None, message=None)


class UploadRecords:
    """Reads and writes the uploads of one stage."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def read(self, upload_id: str) -> Upload | None:
        """An upload; None if there is none, or it has expired."""
        values = self._table.get(*_key(upload_id))
        if values is None:
            return None
        known = {field.name: values[field.name] for field in fields(Upload) if field.name in values}
        upload = from_plain(Upload, {"id": upload_id, **known})
        if has_ended(values.get("attempt_ends_at"), datetime.now(UTC)):
            return upload
        return replace(upload, status="WAITING", code=None, message=None)

    def write(self, upload: Upload) -> None:
        """Write the state of an upload."""
        self._table.put(_row(upload))

    def write_settled(self, upload: Upload) -> None:
        """Write an outcome that no failure replaces: the file was looked at."""
        self._table.put(_row(upload, is_settled=True))

    def write_failure(self, upload: Upload, attempt_ends_at: int | None = None) -> None:
        """Write a failure, unless another delivery of the message has settled the upload.

        The failure of an attempt that is still to end counts from `attempt_ends_at`.
        """
        row = _row(upload, attempt_ends_at=attempt_ends_at)
        self._table.put(row, "attribute_not_exists(is_settled)")


def _row(upload: Upload, **further: Any) -> dict[str, Any]:
    pk, sk = _key(upload.id)
    expires_at = int((datetime.now(UTC) + RETENTION).timestamp())
    values = to_plain(upload) | {"pk": pk, "sk": sk, "expires_at": expires_at} | further
    return {name: value for name, value in values.items() if name != "id"}


def _key(upload_id: str) -> tuple[str, str]:
    return f"UPLOAD#{upload_id}", "UPLOAD"
