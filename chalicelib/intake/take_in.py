"""The use case: a picture that waits in the intake queue is taken in.

Two kinds wait there: uploads, of whose arrival S3 tells, and URLs of batches.
"""

from typing import TYPE_CHECKING

from chalicelib.aws.sqs_queue import Message
from chalicelib.intake.batches import Batches, parse_batch_entry
from chalicelib.intake.uploads import Uploads, upload_id_of
from chalicelib.model.events import json_object, keys_of_notification

if TYPE_CHECKING:
    from chalicelib.intake.accept import ImageIntake


class QueuedImages:
    """Takes in what nobody waits for at the other end of a request."""

    def __init__(self, intake: "ImageIntake", uploads: Uploads, batches: Batches) -> None:
        self._intake = intake
        self._uploads = uploads
        self._batches = batches

    def take_in(self, message: Message) -> None:
        """Take in what one message names; raises NotOurMessage, and errors that may pass."""
        body = json_object(message.body)
        if "batch_id" in body:
            self._batches.take_in(
                parse_batch_entry(body), self._intake, last_try=message.is_last_receive
            )
            return
        for upload_id in map(upload_id_of, keys_of_notification(body)):
            if upload_id is not None:
                self._uploads.take_in(upload_id, self._intake)
