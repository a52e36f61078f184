"""Working through a batch of SQS messages so that nothing is lost and nothing done is repeated.

Chalice cannot ask Lambda for partial batch responses (ReportBatchItemFailures). So every message
is worked on, the done ones are deleted here, and an error is raised for the rest: SQS gives those
again after a pause that grows with each receive, and at last to the dead-letter queue.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

FIRST_PAUSE_SECONDS = 20
LONGEST_PAUSE_SECONDS = 900

logger = logging.getLogger(__name__)


class BatchUnfinished(Exception):
    """Some messages of a batch could not be worked off; SQS will give them again."""


@dataclass(frozen=True)
class Message:
    """One SQS message. `receive_count` is 1 at its first receive."""

    id: str
    body: str
    receipt_handle: str
    receive_count: int


class Queue:
    """The queue that a batch came from."""

    def __init__(self, client: Any, url: str, max_receives: int) -> None:
        self._client = client
        self._url = url
        self.max_receives = max_receives

    def is_last_receive(self, message: Message) -> bool:
        """Whether the message goes to the dead-letter queue if it fails this time."""
        return message.receive_count >= self.max_receives

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

    def postpone(self, message: Message) -> None:
        """Let a message be given again after a pause that doubles with each receive."""
        pause = FIRST_PAUSE_SECONDS * 2 ** (message.receive_count - 1)
        self._client.change_message_visibility(
            QueueUrl=self._url,
            ReceiptHandle=message.receipt_handle,
            VisibilityTimeout=min(pause, LONGEST_PAUSE_SECONDS),
        )

    def work_through(self, batch: Iterable[Message], work: Callable[[Message], None]) -> None:
        """Do the work of every message, at the same time; raise BatchUnfinished if some failed."""
        messages = list(batch)
        with ThreadPoolExecutor(max_workers=len(messages) or 1) as pool:
            failed = set(pool.map(lambda message: self._failed(message, work), messages)) - {None}
        if failed:
            self.delete([message for message in messages if message not in failed])
            raise BatchUnfinished(
                f"{len(failed)} of {len(messages)} messages could not be worked off; "
                "the lines above say why. SQS gives them again, and at last to the "
                "dead-letter queue."
            )

    def _failed(self, message: Message, work: Callable[[Message], None]) -> Message | None:
        try:
            work(message)
        except Exception:
            logger.exception("Message %s failed (receive %d)", message.id, message.receive_count)
            if not self.is_last_receive(message):
                self.postpone(message)
            return message
        return None


def messages_of(event: Mapping[str, Any]) -> Iterable[Message]:
    """The messages of the event with which Lambda gives a batch."""
    for record in event["Records"]:
        yield Message(
            id=record["messageId"],
            body=record["body"],
            receipt_handle=record["receiptHandle"],
            receive_count=int(record["attributes"]["ApproximateReceiveCount"]),
        )
