"""What a function does with the messages of an SQS queue that Lambda has received for it."""

import logging
import math
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

LONGEST_DELAY_SECONDS = 900  # SQS's limit for a new message
_BATCH = 10  # SQS's limit for the messages of one request

logger = logging.getLogger(__name__)


class SqsActions:
    """Deletes, postpones and sends messages; `url` is that of the queue they were received from."""

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url

    def delete(self, receipt_handles: Sequence[str]) -> None:
        """Delete messages. Logs errors: what stays is delivered again, as any message may be."""
        for start in range(0, len(receipt_handles), _BATCH):
            entries = [
                {"Id": str(number), "ReceiptHandle": receipt_handle}
                for number, receipt_handle in enumerate(receipt_handles[start : start + _BATCH])
            ]
            try:
                response = self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)
            except (BotoCoreError, ClientError):
                logger.warning("Messages that are done were not deleted", exc_info=True)
            else:
                if response.get("Failed"):
                    logger.warning("Messages were not deleted: %s", response["Failed"])

    def postpone(self, receipt_handle: str, pause_seconds: float) -> None:
        """Make SQS deliver a message again after a pause, rounded up to whole seconds.

        Logs errors: the message comes back all the same, after the queue's visibility timeout.
        """
        try:
            self._client.change_message_visibility(
                QueueUrl=self._url,
                ReceiptHandle=receipt_handle,
                VisibilityTimeout=math.ceil(pause_seconds),
            )
        except (BotoCoreError, ClientError):
            logger.warning("A message could not be postponed", exc_info=True)

    def visible_messages(self) -> int:
        """About how many messages wait to be received; raises botocore's errors."""
        name = "ApproximateNumberOfMessages"
        response = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=[name])
        return int(response["Attributes"][name])

    def send(self, url: str, body: str, delay_seconds: float = 0) -> None:
        """Send a message to a queue, which delivers it after 0 to 900 seconds, rounded up.

        Raises botocore's errors.
        """
        delay = min(math.ceil(delay_seconds), LONGEST_DELAY_SECONDS)
        request = {"DelaySeconds": delay} if delay else {}
        self._client.send_message(QueueUrl=url, MessageBody=body, **request)
