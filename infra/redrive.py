"""Moves the messages of a dead-letter queue back to their source queue, once the cause is fixed.

    make redrive STAGE=dev
    python -m infra.redrive --stage dev integration

Each message is sent before it is deleted, so an interruption can duplicate a message but never
loses one; the handlers are idempotent. For hundreds of thousands of messages, use SQS's own
StartMessageMoveTask, which needs no running process.
"""

import argparse
import sys
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

QUEUES = ("intake", "recognition", "integration", "removals")


def redrive(client: Any, stage: str, queue: str) -> int:
    """Move every visible message of `queue`'s dead-letter queue to `queue`; return the count."""
    name = f"image-recognition-{stage}-{queue}"
    target = client.get_queue_url(QueueName=name)["QueueUrl"]
    source = client.get_queue_url(QueueName=f"{name}-dead-letters")["QueueUrl"]
    moved = 0
    while True:
        response = client.receive_message(
            QueueUrl=source, MaxNumberOfMessages=10, VisibilityTimeout=60, WaitTimeSeconds=1
        )
        messages = response.get("Messages", [])
        if not messages:
            return moved
        for message in messages:
            client.send_message(QueueUrl=target, MessageBody=message["Body"])
            client.delete_message(QueueUrl=source, ReceiptHandle=message["ReceiptHandle"])
            moved += 1


def main() -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(description="Move dead letters back to their source queue.")
    parser.add_argument("--stage", required=True)
    parser.add_argument("queue", choices=QUEUES)
    arguments = parser.parse_args()
    try:
        moved = redrive(boto3.client("sqs"), arguments.stage, arguments.queue)
    except (BotoCoreError, ClientError) as error:
        print(f"Could not redrive: {error}", file=sys.stderr)
        return 1
    print(f"Moved {moved} messages back to the {arguments.queue} queue")
    return 0


if __name__ == "__main__":
    sys.exit(main())
