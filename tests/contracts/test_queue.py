"""What handlers rely on in a queue: which messages are deleted, redelivered or dead letters."""

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.aws.sqs_queue import (
    BatchIncomplete,
    GiveUp,
    Message,
    PutBack,
    Queue,
    TryAgainLater,
)
from tests.helpers.memory import MemoryAws
from tests.helpers.stage_process import wait_for


class World:
    """A queue, and what Lambda does with it."""

    def __init__(self, aws: MemoryAws, *, reports_failures: bool) -> None:
        self._client = aws.client("sqs")
        self._aws = aws
        self.queue = Queue(
            self._client,
            aws.queue_url,
            aws.max_receives,
            aws.dead_letters_url,
            reports_failures=reports_failures,
        )

    def send(self, *bodies: str) -> None:
        for body in bodies:
            self._client.send_message(QueueUrl=self._aws.queue_url, MessageBody=body)

    def receive(self, count: int) -> dict[str, Any]:
        """Wait for this many messages, and return the event that Lambda would make of them."""
        records: list[dict[str, Any]] = []

        def more() -> int:
            response = self._client.receive_message(
                QueueUrl=self._aws.queue_url, MaxNumberOfMessages=10, AttributeNames=["All"]
            )
            records.extend(map(_record, response.get("Messages", [])))
            return len(records)

        wait_for(more, lambda found: found >= count, 20, f"{count} messages")
        return {"Records": records}

    def receive_now(self) -> list[Any]:
        """The messages that are visible now."""
        response = self._client.receive_message(
            QueueUrl=self._aws.queue_url, MaxNumberOfMessages=10
        )
        return list(response.get("Messages", []))

    def process(self, event: dict[str, Any], work: Callable[[Message], None]) -> None:
        """Handle an event like Lambda: delete all messages but those that are reported as failed.

        If the function raises, Lambda deletes none.
        """
        try:
            response = self.queue.process(event, work)
        except BatchIncomplete:
            return
        failed = {each["itemIdentifier"] for each in response["batchItemFailures"]}
        for record in event["Records"]:
            if record["messageId"] not in failed:
                self._client.delete_message(
                    QueueUrl=self._aws.queue_url, ReceiptHandle=record["receiptHandle"]
                )

    def message_count(self, url: str = "") -> int:
        """The number of messages in a queue, visible or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        response = self._client.get_queue_attributes(
            QueueUrl=url or self._aws.queue_url, AttributeNames=names
        )
        return sum(int(response["Attributes"][name]) for name in names)

    def dead_letters(self, count: int) -> list[str]:
        """Wait for this many dead letters, and return their bodies, sorted."""
        bodies: list[str] = []

        def more() -> int:
            response = self._client.receive_message(
                QueueUrl=self._aws.dead_letters_url, MaxNumberOfMessages=10
            )
            bodies.extend(message["Body"] for message in response.get("Messages", []))
            return len(bodies)

        wait_for(more, lambda found: found >= count, 20, f"{count} dead letters")
        return sorted(bodies)


def _record(message: dict[str, Any]) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "body": message["Body"],
        "receiptHandle": message["ReceiptHandle"],
        "attributes": message["Attributes"],
    }


@pytest.fixture(params=[False, True], ids=["raises", "reports failures"])
def world(aws: MemoryAws, request: pytest.FixtureRequest) -> World:
    return World(aws, reports_failures=request.param)


def retry_at_once(message: Message) -> None:
    raise TryAgainLater("busy", pause_seconds=0)


def test_messages_that_succeed_are_deleted(world: World) -> None:
    world.send("a", "b")
    done: list[str] = []
    world.process(world.receive(2), lambda message: done.append(message.body))
    assert sorted(done) == ["a", "b"]
    assert world.message_count() == 0


def test_only_the_failed_message_of_a_batch_is_redelivered(world: World) -> None:
    world.send("good", "bad")

    def work(message: Message) -> None:
        if message.body == "bad":
            retry_at_once(message)

    world.process(world.receive(2), work)
    again = world.receive(1)
    assert [record["body"] for record in again["Records"]] == ["bad"]
    assert again["Records"][0]["attributes"]["ApproximateReceiveCount"] == "2"


def test_a_postponed_message_stays_hidden(world: World) -> None:
    world.send("a")

    def work(message: Message) -> None:
        raise TryAgainLater("busy", pause_seconds=600)

    world.process(world.receive(1), work)
    assert world.receive_now() == []
    assert world.message_count() == 1


def test_a_message_that_fails_at_its_last_receive_is_a_dead_letter(world: World) -> None:
    world.send("a")
    last: list[bool] = []
    for _ in range(3):

        def work(message: Message) -> None:
            last.append(message.is_last_receive)
            retry_at_once(message)

        world.process(world.receive(1), work)
    assert last == [False, False, True]
    world.receive_now()  # SQS moves a message at the next receive
    assert world.dead_letters(1) == ["a"]
    assert world.message_count() == 0


def test_a_message_that_is_given_up_is_a_dead_letter_at_once(world: World) -> None:
    world.send("a")

    def work(message: Message) -> None:
        raise GiveUp("never")

    world.process(world.receive(1), work)
    assert world.dead_letters(1) == ["a"]
    assert world.message_count() == 0


def test_a_message_that_is_put_back_is_as_new_however_often_it_was_received(world: World) -> None:
    """With three receives in all, five would have made it a dead letter."""
    world.send("a")

    def work(message: Message) -> None:
        assert message.receive_count == 1
        raise PutBack("throttled", pause_seconds=0)

    for _ in range(5):
        world.process(world.receive(1), work)
    assert world.message_count() == 1
    again = world.receive(1)["Records"][0]
    assert (again["body"], again["attributes"]["ApproximateReceiveCount"]) == ("a", "1")
