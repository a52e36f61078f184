"""Lists the AWS calls per image, from POST to the third party, and the reason for each.

    python -m benchmarks.aws_calls [--burst 100]

The use cases run in this process against the emulator, and botocore's events record the calls. The
list is that of the second image, because the first one in a process also reads secrets and stores
the models' versions. It omits what AWS does itself: S3 publishes to SNS, SNS sends to SQS, Lambda
polls the queues. Prints Markdown; exits with status 1 if the calls differ from REASONS.

With --burst, so many images also go through the deployed local stage, and a proxy counts the calls
of its functions: there, a call may serve several images of a batch.
"""

import argparse
import io
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path
from unittest.mock import patch

from PIL import Image

from benchmarks.recording_proxy import recording
from benchmarks.throughput import POSTS_AT_ONCE, wait_for_results
from chalicelib.aws import clients
from infra import webhook_secrets
from tests.helpers.bare_emulator import CREDENTIALS, bare_emulator
from tests.helpers.one_process import CountingServer, World
from tests.helpers.quick_stage import quick_stage
from tests.helpers.steps import image_files, post

REASONS = (
    ("s3.PutObject", "store the image unless it exists"),
    ("dynamodb.PutItem", "register the image as PENDING, with its sources and requested features"),
    (
        "dynamodb.UpdateItem",
        "acquire a lease on the image, so that recognition is paid for once",
    ),
    ("rekognition.DetectLabels", "LABELS, and PROPERTIES if requested"),
    ("dynamodb.PutItem", "keep the findings of LABELS, before anything else can fail"),
    ("rekognition.DetectText", "TEXT, if requested"),
    ("dynamodb.PutItem", "keep the findings of TEXT, if requested"),
    ("dynamodb.PutItem", "write the delivery that the result will need"),
    ("dynamodb.PutItem", "write the outcome into the image's row, which ends the lease"),
    ("sns.Publish", "publish the result"),
    ("dynamodb.BatchGetItem", "read how the images of a batch of the stream are indexed"),
    ("dynamodb.BatchWriteItem", "put the images of a batch under their labels"),
    ("dynamodb.TransactWriteItems", "count the labels and calls of a batch, each exactly once"),
    ("dynamodb.Query", "read the image and its findings for the XML document"),
    ("dynamodb.PutItem", "write the state of the delivery"),
)


def calls_of_one_image() -> list[str]:
    """The calls per image, in order, each as `service.Operation`."""
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
            world.from_arrival_to_delivery(_image("red"))
            for service in ("s3", "dynamodb", "rekognition", "sns", "sqs", "ssm"):
                clients.client(service).meta.events.register(
                    "before-send",
                    lambda event_name, **_: calls.append(event_name.removeprefix("before-send.")),
                )
            world.from_arrival_to_delivery(_image("blue"))
    clients.client.cache_clear()
    server.shutdown()
    return calls


def calls_of_a_burst(images: int) -> Counter[str]:
    """The calls of the deployed functions while images go through the local stage."""
    with (
        tempfile.TemporaryDirectory() as folder,
        quick_stage(Path(folder, "project")) as quick,
        recording(quick.stage) as proxy,
    ):
        for name, number in (("first", 1), ("warm-up", POSTS_AT_ONCE), ("burst", images)):
            proxy.forget()
            ids = post(quick.stage, image_files(name, number), at_once=POSTS_AT_ONCE)
            wait_for_results(quick.third_party, ids)
            proxy.wait_until_quiet()
        return Counter(proxy.calls)


def _image(color: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (80, 80), color).save(file, "PNG")
    return file.getvalue()


def main() -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.aws_calls")
    parser.add_argument("--burst", type=int, default=0, metavar="IMAGES")
    burst = parser.parse_args().burst
    calls = calls_of_one_image()
    if calls != [name for name, _ in REASONS]:
        print(f"The calls differ from REASONS; update REASONS: {calls}", file=sys.stderr)
        return 1
    print("| call | reason |\n| --- | --- |")
    for name, reason in REASONS:
        print(f"| {name} | {reason} |")
    others = sum(not name.startswith("rekognition.") for name in calls)
    print(f"\n{others} calls, not counting Rekognition's.")
    if burst:
        of_burst = calls_of_a_burst(burst)
        print(f"\n| call | per image, in a burst of {burst} |\n| --- | --- |")
        for name, number in of_burst.most_common():
            print(f"| {name} | {number / burst:.2f} |")
        print(f"\n{of_burst.total() / burst:.1f} calls, not counting Rekognition's.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
