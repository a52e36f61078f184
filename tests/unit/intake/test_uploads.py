"""Every upload ends: stored, refused or failed, also where no code of ours runs any more."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.catalog.spending_limit import SpendingLimit
from chalicelib.catalog.usage import Usage
from chalicelib.intake import upload_records, uploads
from chalicelib.intake.accept import Accepted
from chalicelib.intake.last_attempts import LONGEST_ATTEMPT, QUEUE_RETENTION
from chalicelib.intake.upload_records import UploadRecords
from chalicelib.intake.uploads import SENT_WITHIN, UPLOADS_PREFIX, VALID_FOR, Uploads
from chalicelib.model.errors import NotAnImage, UploadNotFound
from chalicelib.model.findings import Feature
from tests.helpers.images import IMAGE_ID, PENDING
from tests.helpers.memory import MemoryCatalog


class FakeIntake:
    """Accepts every file as the same image, or raises `error`."""

    def __init__(self, error: BaseException | None = None) -> None:
        self._error = error

    def accept_content(
        self, content: bytes, features: tuple[Feature, ...], requested_by: str
    ) -> Accepted:
        assert (content, features) == (b"content", (Feature.TEXT,))
        if self._error:
            raise self._error
        return Accepted(PENDING, is_new=True)


class Killed(BaseException):
    """The end of the process: no code runs after it."""


@dataclass
class Clock:
    """How much later than the present it is."""

    passed: timedelta = timedelta()


class World:
    """One upload, and the clock of its stage."""

    def __init__(self, memory: MemoryCatalog, clock: Clock) -> None:
        self.clock = clock
        self.s3 = memory.aws.client("s3")
        self.bucket_name = memory.aws.bucket_name
        self.uploads = Uploads(
            self.s3,
            self.bucket_name,
            UploadRecords(memory.table),
            1000,
            (Feature.LABELS,),
            SpendingLimit(Usage(memory.table), {}, 0, 0),
        )
        self.id = self.uploads.create([Feature.TEXT]).id

    def send_file(self) -> None:
        self.s3.put_object(Bucket=self.bucket_name, Key=UPLOADS_PREFIX + self.id, Body=b"content")

    def remove_file(self) -> None:
        self.s3.delete_object(Bucket=self.bucket_name, Key=UPLOADS_PREFIX + self.id)

    def take_in(self, error: BaseException | None = None, *, last_attempt: bool = False) -> None:
        intake: Any = FakeIntake(error)
        self.uploads.take_in(self.id, intake, last_attempt=last_attempt)

    def shown(self) -> tuple[str, str | None]:
        upload = self.uploads.find(self.id)
        assert (upload.code is None) == (upload.message is None)
        return upload.status, upload.code


@pytest.fixture
def world(memory: MemoryCatalog, monkeypatch: pytest.MonkeyPatch) -> World:
    clock = Clock()

    class Moved(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + clock.passed

    for module in (uploads, upload_records):
        monkeypatch.setattr(module, "datetime", Moved)
    return World(memory, clock)


def test_an_upload_is_stored_and_its_file_deleted(world: World) -> None:
    assert world.shown() == ("WAITING", None)
    world.send_file()
    world.take_in()
    assert world.shown() == ("STORED", None)
    assert world.uploads.find(world.id).image_id == IMAGE_ID
    assert "Contents" not in world.s3.list_objects_v2(Bucket=world.bucket_name)


def test_an_upload_that_is_no_image_is_refused(world: World) -> None:
    world.send_file()
    world.take_in(NotAnImage("This is a page."))
    assert world.shown() == ("REFUSED", "NotAnImage")


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "AccessDenied", "Message": "arn:secret"}}, "PutObject"),
        MemoryError(),
        Killed(),
    ],
)
def test_an_upload_whose_last_attempt_fails_or_is_killed_has_failed_and_a_redrive_heals_it(
    world: World, error: BaseException
) -> None:
    world.send_file()
    for last_attempt in (False, True):
        with pytest.raises(type(error)):
            world.take_in(error, last_attempt=last_attempt)
        assert world.shown() == ("WAITING", None)  # the attempt may still run
    world.clock.passed = LONGEST_ATTEMPT
    assert world.shown() == ("FAILED", "NotProcessed")
    assert "arn:" not in str(world.uploads.find(world.id).message)
    world.take_in()
    assert world.shown() == ("STORED", None)


def test_an_upload_without_a_file_is_shown_as_expired(world: World) -> None:
    world.clock.passed = VALID_FOR + SENT_WITHIN - timedelta(minutes=1)
    assert world.shown() == ("WAITING", None)
    world.clock.passed = VALID_FOR + SENT_WITHIN + timedelta(minutes=1)
    assert world.shown() == ("FAILED", "UploadExpired")


def test_an_upload_whose_file_waits_in_a_long_queue_is_waiting_until_it_must_be_lost(
    world: World,
) -> None:
    world.send_file()
    world.clock.passed = QUEUE_RETENTION
    assert world.shown() == ("WAITING", None)
    world.clock.passed = VALID_FOR + QUEUE_RETENTION + 2 * LONGEST_ATTEMPT
    assert world.shown() == ("FAILED", "NotProcessed")


def test_an_upload_whose_file_expired_before_a_redrive_says_so(world: World) -> None:
    world.send_file()
    with pytest.raises(Killed):
        world.take_in(Killed(), last_attempt=True)
    world.remove_file()
    world.take_in()
    assert world.shown() == ("FAILED", "UploadExpired")


def test_an_upload_that_is_stored_stays_so_when_s3_announces_it_again(world: World) -> None:
    world.send_file()
    world.take_in()
    world.take_in(last_attempt=True)
    assert world.shown() == ("STORED", None)


def test_an_upload_that_is_taken_in_during_the_look_for_its_file_is_shown_as_stored(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.send_file()
    world.clock.passed = VALID_FOR + SENT_WITHIN + timedelta(minutes=1)
    head_object = world.s3.head_object

    def take_in_first(**request: Any) -> Any:
        world.take_in()
        return head_object(**request)

    monkeypatch.setattr(world.s3, "head_object", take_in_first)
    assert world.shown() == ("STORED", None)


def test_an_unknown_upload_is_not_found(world: World) -> None:
    with pytest.raises(UploadNotFound):
        world.uploads.find("0")
