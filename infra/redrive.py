"""Gives the dead letters of a queue to it again, when what was wrong is mended.

    make redrive STAGE=dev
    python -m infra.redrive --stage dev integration

Each message is sent before it is deleted, so a stop in between repeats one and loses none; whatever
was done already is not done twice. SQS's own StartMessageMoveTask does the same without this
process, and is what to use for hundreds of thousands.
"""

import argparse
import sys
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

QUEUES = ("intake", "recognition", "integration")


def redrive(client: Any, stage: str, queue: str) -> int:
    """Move every dead letter that is visible; how many there were."""
    name = f"image-recognition-{stage}-{queue}"
    target = client.get_queue_url(QueueName=name)["QueueUrl"]
    source = client.get_queue_url(QueueName=f"{name}-dead-letters")["QueueUrl"]
    moved = 0
    while True:
        answer = client.receive_message(
            QueueUrl=source, MaxNumberOfMessages=10, VisibilityTimeout=60, WaitTimeSeconds=1
        )
        messages = answer.get("Messages", [])
        if not messages:
            return moved
        for message in messages:
            client.send_message(QueueUrl=target, MessageBody=message["Body"])
            client.delete_message(QueueUrl=source, ReceiptHandle=message["ReceiptHandle"])
            moved += 1


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Give dead letters to their queue again.")
    parser.add_argument("--stage", required=True)
    parser.add_argument("queue", choices=QUEUES)
    arguments = parser.parse_args()
    try:
        moved = redrive(boto3.client("sqs"), arguments.stage, arguments.queue)
    except (BotoCoreError, ClientError) as error:
        print(f"Could not redrive: {error}", file=sys.stderr)
        return 1
    print(f"{moved} messages are given to the {arguments.queue} queue again")
    return 0


if __name__ == "__main__":
    sys.exit(main())
