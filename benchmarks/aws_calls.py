"""Which AWS calls one image makes on its way from POST to the third party, and what each is for.

    python -m benchmarks.aws_calls

The use cases run in this process against the emulator; the calls are those of botocore, of the
second image, because the first one of a process also reads secrets and notes the models' versions.
What AWS does by itself (S3 telling SNS, SNS telling SQS, Lambda reading the queues) is not among
them. Prints Markdown, and exits with 1 if there are other calls than have a reason here.
"""

import io
import os
import sys
import tempfile
from pathlib import Path
from unittest.mock import patch

from PIL import Image

from chalicelib.aws import clients
from infra import webhook_secrets
from tests.helpers.bare_emulator import CREDENTIALS, bare_emulator
from tests.helpers.one_process import CountingServer, World

REASONS = (
    ("s3.PutObject", "the picture is kept, unless it is there"),
    ("dynamodb.PutItem", "the image is PENDING, with its sources and what was asked"),
    ("dynamodb.UpdateItem", "one invocation claims it, so that nobody pays twice"),
    ("rekognition.DetectLabels", "LABELS, and PROPERTIES where asked"),
    ("rekognition.DetectText", "TEXT, where asked"),
    ("dynamodb.TransactWriteItems", "the result, its labels and all counts, or nothing"),
    ("sns.Publish", "whoever listens is told"),
    ("dynamodb.Query", "all that is known, to make the document of"),
    ("dynamodb.GetItem", "the image as it is after the third party answered"),
    ("dynamodb.PutItem", "what came of the delivery"),
)


def calls_of_one_image() -> list[str]:
    """The service and operation of each call, in order."""
    calls: list[str] = []
    server = CountingServer()
    with tempfile.TemporaryDirectory() as folder, bare_emulator(Path(folder)) as emulator:
        webhook_secrets.first(emulator.client("ssm"), "local")
        endpoints = {
            "AWS_ENDPOINT_URL": emulator.url,
            "AWS_ENDPOINT_URL_REKOGNITION": server.url,
        }
        with patch.dict(os.environ, CREDENTIALS | endpoints):
            world = World(emulator, server)
            world.from_arrival_to_delivery(_picture("red"))
            for service in ("s3", "dynamodb", "rekognition", "sns", "sqs", "ssm"):
                clients.client(service).meta.events.register(
                    "before-send",
                    lambda event_name, **_: calls.append(event_name.removeprefix("before-send.")),
                )
            world.from_arrival_to_delivery(_picture("blue"))
    clients.client.cache_clear()
    server.shutdown()
    return calls


def _picture(color: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (80, 80), color).save(file, "PNG")
    return file.getvalue()


def main() -> int:
    """The command line."""
    calls = calls_of_one_image()
    if calls != [name for name, _ in REASONS]:
        print(f"These are other calls than there are reasons for here: {calls}", file=sys.stderr)
        return 1
    print("| call | what for |\n| --- | --- |")
    for name, reason in REASONS:
        print(f"| {name} | {reason} |")
    print(f"\n{sum(not name.startswith('rekognition.') for name in calls)} beside Rekognition's.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
