"""Processes a batch of SQS messages: loses none, and repeats none that succeeded.

Chalice does not support partial batch responses (ReportBatchItemFailures). Instead, `Queue.process`
processes every message, deletes those that succeeded and raises an error for the rest. SQS delivers
those again after a backoff that grows with each receive, and finally moves them to the dead-letter
queue.
"""

import logging
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

FIRST_PAUSE_SECONDS = 20
LONGEST_BACKOFF_SECONDS = 900
_JITTER = 0.2

logger = logging.getLogger(__name__)


class BatchIncomplete(Exception):
    """Raised when some messages of a batch failed; SQS delivers those again."""


class TryAgainLater(Exception):
    """Raised by work that fails temporarily; SQS delivers the message again after `pause_seconds`.

    `pause_seconds` is 0 at a message's last receive, so that it moves to the dead-letter queue at
    once.
    """

    def __init__(self, reason: str, pause_seconds: float) -> None:
        super().__init__(reason)
        self.pause_seconds = pause_seconds


class GiveUp(Exception):
    """Raised by work that no retry can complete; the message moves to the dead-letter queue."""


@dataclass(frozen=True)
class Message:
    """One SQS message.

    `receive_count` is 1 at the first receive. If processing fails when `is_last_receive` is true,
    SQS moves the message to the dead-letter queue.
    """

    id: str
    body: str
    receipt_handle: str
    receive_count: int
    is_last_receive: bool


class Queue:
    """The queue of a batch of messages.

    `max_receives` is the queue's maxReceiveCount. `dead_letters_url` is the URL of the dead-letter
    queue; only work that raises GiveUp needs it.
    """

    def __init__(
        self, client: Any, url: str, max_receives: int, dead_letters_url: str = ""
    ) -> None:
        self._client = client
        self._url = url
        self._dead_letters_url = dead_letters_url
        self._max_receives = max_receives

    def delete(self, messages: Sequence[Message]) -> None:
        """Delete messages that were processed successfully."""
        for start in range(0, len(messages), 10):  # DeleteMessageBatch takes at most 10
            self._client.delete_message_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": message.receipt_handle}
                    for number, message in enumerate(messages[start : start + 10])
                ],
            )

    def postpone(self, message: Message, pause_seconds: float) -> None:
        """Make SQS deliver a message again after a pause, rounded up to whole seconds."""
        self._client.change_message_visibility(
            QueueUrl=self._url,
            ReceiptHandle=message.receipt_handle,
            VisibilityTimeout=math.ceil(pause_seconds),
        )

    def visible_messages(self) -> int:
        """About how many messages wait to be received, without those that wait for a retry."""
        name = "ApproximateNumberOfMessages"
        response = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=[name])
        return int(response["Attributes"][name])

    def process(
        self, event: Mapping[str, Any], work: Callable[[Message], None], concurrency: int = 10
    ) -> None:
        """Call `work` for every message of Lambda's SQS event, `concurrency` messages at a time.

        `work` raises TryAgainLater, GiveUp or any other exception if it fails. Raises
        BatchIncomplete if a message stays in the queue.
        """
        messages = list(self._messages(event))
        with ThreadPoolExecutor(max_workers=concurrency) as pool:
            failed = set(pool.map(lambda message: self._process(message, work), messages)) - {None}
        if failed:
            self.delete([message for message in messages if message not in failed])
            raise BatchIncomplete(
                f"{len(failed)} of {len(messages)} messages failed; the log lines above say why. "
                "SQS delivers them again, and finally moves them to the dead-letter queue."
            )

    def _process(self, message: Message, work: Callable[[Message], None]) -> Message | None:
        """Process one message; returns it if it failed and stays in the queue."""
        try:
            self._work(message, work)
        except TryAgainLater as error:
            logger.info("Message %s will be retried: %s", message.id, error)
            self.postpone(message, error.pause_seconds)
            return message
        except Exception:
            logger.exception("Message %s failed (receive %d)", message.id, message.receive_count)
            if not message.is_last_receive:
                pause = FIRST_PAUSE_SECONDS * 2 ** (message.receive_count - 1)
                # Jitter keeps messages that failed together from coming back together.
                jitter = random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret
                self.postpone(message, min(pause, LONGEST_BACKOFF_SECONDS) * jitter)
            return message
        return None

    def _work(self, message: Message, work: Callable[[Message], None]) -> None:
        try:
            work(message)
        except GiveUp as error:
            logger.info("Message %s goes to the dead-letter queue: %s", message.id, error)
            # Sent before the original is deleted, so that an interruption in between loses nothing.
            self._client.send_message(QueueUrl=self._dead_letters_url, MessageBody=message.body)

    def _messages(self, event: Mapping[str, Any]) -> Iterator[Message]:
        for record in event["Records"]:
            receive_count = int(record["attributes"]["ApproximateReceiveCount"])
            yield Message(
                id=record["messageId"],
                body=record["body"],
                receipt_handle=record["receiptHandle"],
                receive_count=receive_count,
                is_last_receive=receive_count >= self._max_receives,
            )
