"""Working through a batch of SQS messages so that nothing is lost and nothing done is repeated.

Chalice cannot ask Lambda for partial batch responses (ReportBatchItemFailures). So every message
is worked on, the done ones are deleted here, and an error is raised for the rest: SQS gives those
again after a pause that grows with each receive, and at last to the dead-letter queue.
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
    """Some messages of a batch could not be worked off; SQS will give them again."""


class TryAgainLater(Exception):
    """What passes by itself: the message is to be given again after a pause of its own.

    `pause_seconds` is 0 for a message that was received for the last time, so that it goes to the
    dead-letter queue at once.
    """

    def __init__(self, reason: str, pause_seconds: float) -> None:
        super().__init__(reason)
        self.pause_seconds = pause_seconds


class GiveUp(Exception):
    """What no further try would mend: the message goes to the dead-letter queue at once."""


@dataclass(frozen=True)
class Message:
    """One SQS message.

    `receive_count` is 1 at its first receive. `is_last_receive` says that the message goes to the
    dead-letter queue if it fails this time.
    """

    id: str
    body: str
    receipt_handle: str
    receive_count: int
    is_last_receive: bool


class Queue:
    """The queue that a batch came from. `dead_letters_url` is for work that raises GiveUp."""

    def __init__(
        self, client: Any, url: str, max_receives: int, dead_letters_url: str = ""
    ) -> None:
        self._client = client
        self._url = url
        self._dead_letters_url = dead_letters_url
        self._max_receives = max_receives

    def delete(self, messages: Sequence[Message]) -> None:
        """Delete messages that are done."""
        for start in range(0, len(messages), 10):  # the most that SQS deletes in one request
            self._client.delete_message_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": message.receipt_handle}
                    for number, message in enumerate(messages[start : start + 10])
                ],
            )

    def postpone(self, message: Message, pause_seconds: float) -> None:
        """Let a message be given again after a pause."""
        self._client.change_message_visibility(
            QueueUrl=self._url,
            ReceiptHandle=message.receipt_handle,
            VisibilityTimeout=math.ceil(pause_seconds),
        )

    def process(
        self, event: Mapping[str, Any], work: Callable[[Message], None], concurrency: int = 10
    ) -> None:
        """Process every message of the event with which Lambda passes on a batch.

        `concurrency` messages are processed at a time. Raises BatchIncomplete if some failed.
        """
        messages = list(self._messages(event))
        with ThreadPoolExecutor(max_workers=concurrency) as pool:
            failed = set(pool.map(lambda message: self._failed(message, work), messages)) - {None}
        if failed:
            self.delete([message for message in messages if message not in failed])
            raise BatchIncomplete(
                f"{len(failed)} of {len(messages)} messages could not be worked off; "
                "the lines above say why. SQS gives them again, and at last to the "
                "dead-letter queue."
            )

    def _failed(self, message: Message, work: Callable[[Message], None]) -> Message | None:
        try:
            self._work(message, work)
        except TryAgainLater as later:
            logger.info("Message %s is to come again: %s", message.id, later)
            self.postpone(message, later.pause_seconds)
            return message
        except Exception:
            logger.exception("Message %s failed (receive %d)", message.id, message.receive_count)
            if not message.is_last_receive:
                pause = FIRST_PAUSE_SECONDS * 2 ** (message.receive_count - 1)
                # What failed together should not come back together.
                jitter = random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret
                self.postpone(message, min(pause, LONGEST_BACKOFF_SECONDS) * jitter)
            return message
        return None

    def _work(self, message: Message, work: Callable[[Message], None]) -> None:
        try:
            work(message)
        except GiveUp as reason:
            logger.info("Message %s is a dead letter: %s", message.id, reason)
            # Before it is deleted here, so that a stop in between loses nothing.
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
