from collections.abc import Sequence
from typing import Any

import pytest

from chalicelib.aws.sqs_queue import (
    BatchIncomplete,
    GiveUp,
    Message,
    Queue,
    TryAgainLater,
)


class FakeSqs:
    """Records the messages that are deleted, postponed and sent."""

    def __init__(self) -> None:
        self.deleted: list[str] = []
        self.postponed: dict[str, int] = {}
        self.sent: list[tuple[str, str]] = []

    def send_message(self, QueueUrl: str, MessageBody: str) -> None:  # noqa: N803 - boto3's names
        self.sent.append((QueueUrl, MessageBody))

    def delete_message_batch(self, QueueUrl: str, Entries: Sequence[Any]) -> None:  # noqa: N803 - boto3's names
        assert len(Entries) <= 10
        self.deleted += [entry["ReceiptHandle"] for entry in Entries]

    def change_message_visibility(
        self,
        QueueUrl: str,  # noqa: N803 - boto3's names
        ReceiptHandle: str,  # noqa: N803
        VisibilityTimeout: int,  # noqa: N803
    ) -> None:
        self.postponed[ReceiptHandle] = VisibilityTimeout


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
    Queue(sqs, "url", 5).process(batch(record(1), record(2)), fail_on())
    assert sqs.deleted == []


def test_every_message_is_processed_and_only_failed_ones_stay_in_the_queue() -> None:
    sqs = FakeSqs()
    ten = batch(*(record(number) for number in range(10)))
    with pytest.raises(BatchIncomplete, match="2 of 10"):
        Queue(sqs, "url", 5).process(ten, fail_on("body-0", "body-7"))
    assert sorted(sqs.deleted) == [f"receipt-{number}" for number in (1, 2, 3, 4, 5, 6, 8, 9)]
    assert set(sqs.postponed) == {"receipt-0", "receipt-7"}


def test_the_backoff_doubles_with_each_receive_up_to_a_limit() -> None:
    pauses = []
    for receive_count in range(1, 9):
        sqs = FakeSqs()
        with pytest.raises(BatchIncomplete):
            Queue(sqs, "url", 100).process(batch(record(1, receive_count)), fail_on("body-1"))
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
    Queue(sqs, "url", 5, "dead-letters").process(batch(record(1), record(2)), give_up)
    assert sorted(sqs.sent) == [("dead-letters", "body-1"), ("dead-letters", "body-2")]
    assert sqs.postponed == {}


def test_a_message_that_cannot_move_to_the_dead_letter_queue_stays_in_its_queue() -> None:
    def give_up(message: Message) -> None:
        raise GiveUp("refused")

    class BrokenSqs(FakeSqs):
        def send_message(self, QueueUrl: str, MessageBody: str) -> None:  # noqa: N803 - boto3's
            raise ConnectionError

    sqs = BrokenSqs()
    with pytest.raises(BatchIncomplete, match="1 of 1"):
        Queue(sqs, "url", 5, "dead-letters").process(batch(record(1)), give_up)
    assert set(sqs.postponed) == {"receipt-1"}


def test_a_failure_at_the_last_receive_is_not_postponed() -> None:
    """SQS then moves the message to the dead-letter queue."""
    sqs = FakeSqs()
    last = batch(record(1, receive_count=5))
    with pytest.raises(BatchIncomplete):
        Queue(sqs, "url", max_receives=5).process(last, fail_on("body-1"))
    assert sqs.postponed == {}


def test_messages_are_parsed_from_lambdas_event() -> None:
    messages: list[Message] = []
    Queue(FakeSqs(), "url", max_receives=3).process(
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
        Queue(sqs, "url", 5).process(batch(record(1), record(2, receive_count=5)), work)
    assert sqs.postponed == {"receipt-1": 8, "receipt-2": 8}
