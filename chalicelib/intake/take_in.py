"""The use case: store the image that a message of the intake queue names.

The queue has two kinds of message: S3's event notifications about uploads, and URLs of batches.
"""

from typing import TYPE_CHECKING

from chalicelib.aws.sqs_queue import Message
from chalicelib.intake.batch_messages import parse_batch_entry
from chalicelib.intake.batches import Batches
from chalicelib.intake.uploads import Uploads, upload_id_of
from chalicelib.model.events import json_object, keys_of_notification

if TYPE_CHECKING:
    from chalicelib.intake.accept import ImageIntake


class QueuedImages:
    """Stores images asynchronously, from messages rather than from HTTP requests."""

    def __init__(self, intake: "ImageIntake", uploads: Uploads, batches: Batches) -> None:
        self._intake = intake
        self._uploads = uploads
        self._batches = batches

    def take_in(self, message: Message) -> None:
        """Store the uploads or the URL that a message names, and write what became of them.

        Raises NotOurMessage for a message of neither kind, and errors of the fetch that may be
        transient, so that the message is retried.
        """
        body = json_object(message.body)
        if "batch_id" in body:
            self._batches.take_in(
                parse_batch_entry(body), self._intake, last_attempt=message.is_last_receive
            )
            return
        for upload_id in map(upload_id_of, keys_of_notification(body)):
            if upload_id is not None:
                self._uploads.take_in(upload_id, self._intake, last_attempt=message.is_last_receive)
