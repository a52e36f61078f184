"""A killed batch, on the emulator: only what was not finished is done again."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.helpers.bare_emulator import CREDENTIALS, BareEmulator
from tests.helpers.memory import create_queues
from tests.helpers.stage_process import PROJECT, wait_for

DONE = {f"done-{number}" for number in range(8)}
UNFINISHED = {"hangs-0", "hangs-1"}

# A function's process: receives a batch as Lambda does, and hangs in two of its ten messages.
WORKER = """
import sys, threading, boto3
from chalicelib.aws.sqs_queue import Queue

url, dead_letters_url, endpoint_url = sys.argv[1:]
sqs = boto3.client("sqs", endpoint_url=endpoint_url)
records = []
while len(records) < 10:
    response = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"], WaitTimeSeconds=1
    )
    records += [
        {
            "messageId": message["MessageId"],
            "body": message["Body"],
            "receiptHandle": message["ReceiptHandle"],
            "attributes": message["Attributes"],
        }
        for message in response.get("Messages", [])
    ]

def work(message):
    if message.body.startswith("hangs"):
        threading.Event().wait()

Queue(sqs, url, 5, dead_letters_url).process({"Records": records}, work)
"""


def test_a_killed_batch_repeats_only_the_messages_that_were_not_finished(
    emulator: BareEmulator, tmp_path: Path
) -> None:
    sqs = emulator.client("sqs")
    queue_url, dead_letters_url = create_queues(sqs, f"killed-{tmp_path.name}", 5)
    visible_again_after = 6
    sqs.set_queue_attributes(
        QueueUrl=queue_url, Attributes={"VisibilityTimeout": str(visible_again_after)}
    )
    for body in DONE | UNFINISHED:
        sqs.send_message(QueueUrl=queue_url, MessageBody=body)
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, queue_url, dead_letters_url, emulator.url],
        cwd=PROJECT,
        env={**os.environ, **CREDENTIALS},
    )
    try:
        wait_for(
            lambda: message_count(sqs, queue_url),
            len(UNFINISHED).__eq__,
            20,
            "the messages that are done to be deleted",
        )
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    repeated: set[str] = set()

    def receive() -> set[str]:
        response = sqs.receive_message(
            QueueUrl=queue_url, MaxNumberOfMessages=10, VisibilityTimeout=60
        )
        repeated.update(message["Body"] for message in response.get("Messages", []))
        return repeated

    wait_for(receive, UNFINISHED.issubset, visible_again_after + 20, "the unfinished messages")
    assert repeated == UNFINISHED


def message_count(sqs: Any, queue_url: str) -> int:
    """The number of messages in a queue, visible or not."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    response = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)
    return sum(int(response["Attributes"][name]) for name in names)
