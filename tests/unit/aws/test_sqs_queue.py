import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.aws.sqs_queue import (
    BatchIncomplete,
    GiveUp,
    Message,
    PutBack,
    Queue,
    TryAgainLater,
)
from tests.helpers.stage_process import wait_for


class FakeSqs:
    """Records the messages that are deleted, postponed and sent."""

    def __init__(self) -> None:
        self.deleted: list[str] = []
        self.delete_requests = 0
        self.postponed: dict[str, int] = {}
        self.sent: list[tuple[str, str]] = []
        self.delays: list[int] = []

    def send_message(self, QueueUrl: str, MessageBody: str, DelaySeconds: int = 0) -> None:  # noqa: N803 - boto3's names
        self.sent.append((QueueUrl, MessageBody))
        self.delays.append(DelaySeconds)

    def delete_message_batch(self, QueueUrl: str, Entries: Sequence[Any]) -> dict[str, Any]:  # noqa: N803 - boto3's names
        assert 1 <= len(Entries) <= 10
        self.delete_requests += 1
        self.deleted += [entry["ReceiptHandle"] for entry in Entries]
        return {}

    def change_message_visibility(
        self,
        QueueUrl: str,  # noqa: N803 - boto3's names
        ReceiptHandle: str,  # noqa: N803
        VisibilityTimeout: int,  # noqa: N803
    ) -> None:
        self.postponed[ReceiptHandle] = VisibilityTimeout


class NotOurs(Exception):
    """An error of the work that no retry can mend."""


def queue(sqs: Any, max_receives: int = 5, *, reports_failures: bool = False) -> Queue:
    return Queue(
        sqs,
        "url",
        max_receives,
        "dead-letters",
        hopeless=(NotOurs,),
        reports_failures=reports_failures,
    )


def record(number: int, receive_count: int = 1) -> dict[str, Any]:
    return {
        "messageId": f"id-{number}",
        "body": f"body-{number}",
        "receiptHandle": f"receipt-{number}",
        "attributes": {"ApproximateReceiveCount": str(receive_count)},
    }


def batch(*records: dict[str, Any]) -> dict[str, Any]:
    """The event that Lambda passes to a function for a batch of messages."""
    return {"Records": list(records)}


def fail_on(*bodies: str) -> Any:
    def work(message: Message) -> None:
        if message.body in bodies:
            raise ValueError(message.body)

    return work


def test_a_batch_without_failures_is_left_to_lambda_to_delete() -> None:
    sqs = FakeSqs()
    queue(sqs).process(batch(record(1), record(2)), fail_on())
    assert sqs.deleted == []


def test_every_message_is_processed_and_only_failed_ones_stay_in_the_queue() -> None:
    sqs = FakeSqs()
    ten = batch(*(record(number) for number in range(10)))
    with pytest.raises(BatchIncomplete, match="2 of 10"):
        queue(sqs).process(ten, fail_on("body-0", "body-7"))
    assert sorted(sqs.deleted) == [f"receipt-{number}" for number in (1, 2, 3, 4, 5, 6, 8, 9)]
    assert set(sqs.postponed) == {"receipt-0", "receipt-7"}


def test_the_backoff_doubles_with_each_receive_up_to_a_limit() -> None:
    pauses = []
    for receive_count in range(1, 9):
        sqs = FakeSqs()
        with pytest.raises(BatchIncomplete):
            queue(sqs, 100).process(batch(record(1, receive_count)), fail_on("body-1"))
        pauses.append(sqs.postponed["receipt-1"])
    expected = [20, 40, 80, 160, 320, 640, 900, 900]
    assert all(
        0.8 * middle <= pause <= 1.2 * middle + 1
        for pause, middle in zip(pauses, expected, strict=True)
    )


def test_a_message_given_up_on_moves_to_the_dead_letter_queue_at_once() -> None:
    def give_up(message: Message) -> None:
        raise GiveUp("refused")

    sqs = FakeSqs()
    queue(sqs).process(batch(record(1), record(2)), give_up)
    assert sorted(sqs.sent) == [("dead-letters", "body-1"), ("dead-letters", "body-2")]
    assert sqs.postponed == {}


def test_a_message_that_cannot_move_to_the_dead_letter_queue_stays_in_its_queue() -> None:
    def give_up(message: Message) -> None:
        raise GiveUp("refused")

    class BrokenSqs(FakeSqs):
        def send_message(self, QueueUrl: str, MessageBody: str, DelaySeconds: int = 0) -> None:  # noqa: N803 - boto3's
            raise ConnectionError

    sqs = BrokenSqs()
    with pytest.raises(BatchIncomplete, match="1 of 1"):
        queue(sqs).process(batch(record(1)), give_up)
    assert set(sqs.postponed) == {"receipt-1"}


def test_a_failure_at_the_last_receive_is_not_postponed() -> None:
    """SQS then moves the message to the dead-letter queue."""
    sqs = FakeSqs()
    last = batch(record(1, receive_count=5))
    with pytest.raises(BatchIncomplete):
        queue(sqs, 5).process(last, fail_on("body-1"))
    assert sqs.postponed == {}


def test_messages_are_parsed_from_lambdas_event() -> None:
    messages: list[Message] = []
    queue(FakeSqs(), 3).process(
        batch(record(1, receive_count=2), record(2, receive_count=3)), messages.append, 1
    )
    assert messages == [
        Message("id-1", "body-1", "receipt-1", 2, is_last_receive=False),
        Message("id-2", "body-2", "receipt-2", 3, is_last_receive=True),
    ]


def test_a_message_to_retry_later_is_postponed_by_its_own_pause() -> None:
    sqs = FakeSqs()

    def work(message: Message) -> None:
        raise TryAgainLater("busy", pause_seconds=7.2)

    with pytest.raises(BatchIncomplete):
        queue(sqs).process(batch(record(1), record(2, receive_count=5)), work)
    assert sqs.postponed == {"receipt-1": 8, "receipt-2": 8}


def test_with_partial_responses_only_the_failed_messages_are_named_and_nothing_is_raised() -> None:
    """An error would make Lambda slow down, and with it everybody else's messages."""
    sqs = FakeSqs()

    def work(message: Message) -> None:
        if message.body == "body-1":
            raise TryAgainLater("the third party refuses", pause_seconds=30)
        if message.body == "body-2":
            raise ValueError

    response = queue(sqs, reports_failures=True).process(
        batch(record(1), record(2), record(3)), work
    )
    assert response == {
        "batchItemFailures": [{"itemIdentifier": "id-1"}, {"itemIdentifier": "id-2"}]
    }
    assert set(sqs.postponed) == {"receipt-1", "receipt-2"}
    assert sqs.deleted == []  # Lambda deletes the third at no cost


def test_with_partial_responses_messages_that_only_wait_are_no_error() -> None:
    def work(message: Message) -> None:
        raise TryAgainLater("the third party is down", pause_seconds=30)

    response = queue(FakeSqs(), reports_failures=True).process(batch(record(1)), work)
    assert response == {"batchItemFailures": [{"itemIdentifier": "id-1"}]}


def test_with_partial_responses_a_batch_that_fails_as_a_whole_still_raises() -> None:
    """Then the fault is ours or AWS's: Lambda should slow down, and an alarm ring."""
    with pytest.raises(BatchIncomplete, match="2 of 2"):
        queue(FakeSqs(), reports_failures=True).process(
            batch(record(1), record(2)), fail_on("body-1", "body-2")
        )


def test_a_batch_without_failures_answers_that_nothing_failed() -> None:
    for reports_failures in (False, True):
        response = queue(FakeSqs(), reports_failures=reports_failures).process(
            batch(record(1)), fail_on()
        )
        assert response == {"batchItemFailures": []}


@pytest.mark.parametrize("reports_failures", [False, True])
def test_messages_that_are_done_are_deleted_while_another_is_still_worked_on(
    *, reports_failures: bool
) -> None:
    """A worker that is killed now repeats only the one that it had not finished."""
    sqs = FakeSqs()
    may_end = threading.Event()

    def work(message: Message) -> None:
        if message.body == "body-0":
            assert may_end.wait(10)
        if message.body == "body-5":
            raise TryAgainLater("later", 60)

    ten = batch(*(record(number) for number in range(10)))
    done = {f"receipt-{number}" for number in (1, 2, 3, 4, 6, 7, 8, 9)}
    with ThreadPoolExecutor() as invocation:
        invocation.submit(queue(sqs, reports_failures=reports_failures).process, ten, work)
        try:
            wait_for(lambda: set(sqs.deleted), done.__eq__, 5, "the messages that are done")
            assert sqs.delete_requests == 1  # what ends together is deleted together
        finally:
            may_end.set()


def test_a_message_that_is_not_ours_moves_to_the_dead_letter_queue_at_once_named_in_one_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def work(message: Message) -> None:
        raise NotOurs("Not JSON: 'hello'")

    sqs = FakeSqs()
    with caplog.at_level(logging.INFO, "chalicelib.aws.sqs_queue"):
        response = queue(sqs).process(batch(record(1)), work)
    assert response == {"batchItemFailures": []}
    assert sqs.sent == [("dead-letters", "body-1")]
    assert sqs.postponed == {}
    (line,) = caplog.records
    assert line.getMessage() == (
        "Message id-1 goes to the dead-letter queue: NotOurs: Not JSON: 'hello'"
    )
    assert line.exc_info is None


@pytest.mark.parametrize("receive_count", [1, 5])
def test_a_message_that_is_put_back_is_replaced_by_a_copy_that_was_never_received(
    receive_count: int,
) -> None:
    def work(message: Message) -> None:
        raise PutBack("throttled", pause_seconds=60)

    sqs = FakeSqs()
    response = queue(sqs).process(batch(record(1, receive_count)), work)
    assert response == {"batchItemFailures": []}  # Lambda deletes the original
    assert sqs.sent == [("url", "body-1")]
    assert 48 <= sqs.delays[0] <= 73
    assert sqs.postponed == {}


def test_a_delay_is_at_most_what_sqs_allows() -> None:
    def work(message: Message) -> None:
        raise PutBack("throttled", pause_seconds=900)

    delays = []
    for _ in range(20):
        sqs = FakeSqs()
        queue(sqs).process(batch(record(1)), work)
        delays += sqs.delays
    assert max(delays) <= 900


def test_an_error_of_sqs_about_one_message_does_not_fail_the_others() -> None:
    class RefusingSqs(FakeSqs):
        def change_message_visibility(self, *_: Any, **__: Any) -> None:
            raise ClientError({"Error": {"Code": "InternalError"}}, "ChangeMessageVisibility")

    response = queue(RefusingSqs(), reports_failures=True).process(
        batch(record(1), record(2)), fail_on("body-1")
    )
    assert response == {"batchItemFailures": [{"itemIdentifier": "id-1"}]}
