"""Processes a batch of SQS messages: loses none, and repeats none that is done.

A message that is done is deleted soon after, while others of its batch are still being worked on,
so that a killed invocation repeats only what it had not finished. For those that failed, the
invocation returns a partial batch response if Lambda is set to read it (ReportBatchItemFailures,
which infra/deploy.py sets and verifies), else it raises an error. SQS delivers them again after a
backoff that grows with each receive, and finally moves them to the dead-letter queue.
"""

import logging
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Any

from chalicelib.aws.sqs_actions import SqsActions

FIRST_PAUSE_SECONDS = 20
LONGEST_BACKOFF_SECONDS = 900
_JITTER = 0.2

# What finishes within this time is deleted with one request; a kill repeats at most this much work.
GATHER_SECONDS = 0.5

PartialBatchResponse = dict[str, list[dict[str, str]]]

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


class PutBack(Exception):
    """Raised by work that could not begin; this receive does not count.

    A copy that was never received takes the message's place after `pause_seconds`, 0 to 900.
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


Work = Callable[[Message], None]


class _Outcome(Enum):
    DONE = "done"  # nothing is left to do; SQS may delete the message
    POSTPONED = "postponed"  # as the work asked for
    FAILED = "failed"  # by an error that the work did not expect


class Queue:
    """The queue of a batch of messages.

    `max_receives` is the queue's maxReceiveCount, `dead_letters_url` the URL of its dead-letter
    queue. `hopeless` are errors of the work, besides GiveUp, that no retry can mend.
    `reports_failures` says that Lambda reads partial batch responses from this queue's function.
    If it says so without cause, failed messages are lost.
    """

    def __init__(
        self,
        client: Any,
        url: str,
        max_receives: int,
        dead_letters_url: str,
        *,
        hopeless: tuple[type[Exception], ...] = (),
        reports_failures: bool = False,
    ) -> None:
        self._actions = SqsActions(client, url)
        self._url = url
        self._dead_letters_url = dead_letters_url
        self._max_receives = max_receives
        self._hopeless: tuple[type[Exception], ...] = (GiveUp, *hopeless)
        self._reports_failures = reports_failures

    def visible_messages(self) -> int:
        """About how many messages wait to be received, without those that wait for a retry."""
        return self._actions.visible_messages()

    def is_caught_up(self, messages_per_second: float, age: timedelta) -> bool:
        """Whether no message can have waited for as long as `age`.

        So it is while no more messages wait than are processed in half of that time. While more do,
        a message that seems to be lost may be among them, and another one would only make the queue
        longer.
        """
        waiting = self.visible_messages()
        if waiting <= messages_per_second * age.total_seconds() / 2:
            return True
        logger.info("%d messages wait in %s: nothing is sent again", waiting, self._url)
        return False

    def process(
        self, event: Mapping[str, Any], work: Work, concurrency: int = 10
    ) -> PartialBatchResponse:
        """Call `work` for every message of Lambda's SQS event, `concurrency` messages at a time.

        `work` raises TryAgainLater, PutBack, GiveUp or any other exception if it fails. Returns the
        messages that stay in the queue, as Lambda wants them. Raises BatchIncomplete instead if
        Lambda does not read that, or if every message failed by an unexpected error: then Lambda
        should slow down, and its metric Errors should show it.
        """
        messages = list(self._messages(event))
        with ThreadPoolExecutor(max_workers=concurrency) as pool:
            futures = {pool.submit(self._process, message, work): message for message in messages}
            deleted = self._delete_while_others_work(futures)
        outcomes = {message: future.result() for future, message in futures.items()}
        staying = [message for message in messages if outcomes[message] is not _Outcome.DONE]
        all_failed = all(outcome is _Outcome.FAILED for outcome in outcomes.values())
        if staying and (all_failed or not self._reports_failures):
            self._actions.delete(
                _receipts(each for each in messages if each not in deleted + staying)
            )
            raise BatchIncomplete(
                f"{len(staying)} of {len(messages)} messages failed; the log lines above say why. "
                "SQS delivers them again, and finally moves them to the dead-letter queue."
            )
        # Lambda deletes the others.
        return {"batchItemFailures": [{"itemIdentifier": message.id} for message in staying]}

    def _delete_while_others_work(
        self, futures: Mapping[Future[_Outcome], Message]
    ) -> list[Message]:
        """Delete messages soon after they are done, until all have ended; returns the deleted.

        What ends last is left to Lambda, which deletes it at no cost.
        """
        deleted: list[Message] = []
        working = set(futures)
        while working:
            ended, working = wait(working, return_when=FIRST_COMPLETED)
            if working:
                more, working = wait(working, GATHER_SECONDS)
                ended |= more
            if working:
                done = [futures[each] for each in ended if each.result() is _Outcome.DONE]
                self._actions.delete(_receipts(done))
                deleted += done
        return deleted

    def _process(self, message: Message, work: Work) -> _Outcome:
        try:
            self._work(message, work)
        except TryAgainLater as error:
            logger.info("Message %s will be retried: %s", message.id, error)
            self._actions.postpone(message.receipt_handle, error.pause_seconds)
            return _Outcome.POSTPONED
        except Exception:
            logger.exception("Message %s failed (receive %d)", message.id, message.receive_count)
            if not message.is_last_receive:  # else SQS moves it to the dead-letter queue at once
                pause = FIRST_PAUSE_SECONDS * 2 ** (message.receive_count - 1)
                pause = _with_jitter(min(pause, LONGEST_BACKOFF_SECONDS))
                self._actions.postpone(message.receipt_handle, pause)
            return _Outcome.FAILED
        return _Outcome.DONE

    def _work(self, message: Message, work: Work) -> None:
        """Call `work`; where it asks for that, replace the message, which is then done.

        The copy is sent before the original is deleted, so that an interruption in between
        duplicates the message and loses nothing.
        """
        try:
            work(message)
        except PutBack as error:
            logger.info("Message %s is put back: %s", message.id, error)
            self._actions.send(self._url, message.body, _with_jitter(error.pause_seconds))
        except self._hopeless as error:
            logger.warning(
                "Message %s goes to the dead-letter queue: %s: %s",
                message.id,
                type(error).__name__,
                error,
            )
            self._actions.send(self._dead_letters_url, message.body)

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


def _with_jitter(seconds: float) -> float:
    """Keeps messages that failed together from coming back together."""
    return seconds * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret


def _receipts(messages: Iterable[Message]) -> list[str]:
    return [message.receipt_handle for message in messages]
