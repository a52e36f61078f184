"""Runs `take_in_images` on a batch of ten uploads, as Lambda does, over AWS in memory.

    python -m tests.helpers.intake_batch

Two of the images have 100 megapixels and are rotated, eight have 12. Prints as JSON the states of
the uploads, and the peaks of resident memory, in bytes: of this process, and of the largest of its
children and theirs.
"""

import io
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

from PIL import Image

from chalicelib.aws.clients import client
from tests.helpers.memory import BUCKET_NAME, TABLE_NAME, create_queues, create_table, memory_aws


def main() -> None:
    """Run the batch and print what became of it."""
    with memory_aws() as aws:
        recognition_url, dead_letters_url = create_queues(aws.client("sqs"), "recognition", 5)
        create_table(aws.client("dynamodb"), "idempotency")
        os.environ |= {
            "AWS_DEFAULT_REGION": "us-east-1",
            "API_TOKENS_PATH": "/tokens",
            "IMAGES_BUCKET_NAME": BUCKET_NAME,
            "CATALOG_TABLE_NAME": TABLE_NAME,
            "STAGE": "local",
            "CATALOG_TABLE_STREAM_ARN": "arn:aws:dynamodb:us-east-1:1:table/catalog/stream/1",
            "IDEMPOTENCY_TABLE_NAME": "idempotency",
            "INTAKE_QUEUE_URL": aws.queue_url,
            "INTAKE_DEAD_LETTERS_URL": aws.dead_letters_url,
            "RECOGNITION_DEAD_LETTERS_URL": dead_letters_url,
            "REMOVALS_QUEUE_URL": recognition_url,
            "REMOVALS_DEAD_LETTERS_URL": dead_letters_url,
            "RECOGNITION_QUEUE_URL": recognition_url,
            "RESULTS_TOPIC_ARN": "arn:aws:sns:us-east-1:1:results",
            "INTEGRATION_QUEUE_URL": recognition_url,
            "INTEGRATION_DEAD_LETTERS_URL": dead_letters_url,
            "WEBHOOK_SECRETS_PATH": "/webhook-secrets",
        }
        import app

        uploads = [_upload(number, 10_000 if number in (3, 7) else 3_464) for number in range(10)]
        started = time.monotonic()
        app.take_in_images({"Records": [_record(upload) for upload in uploads]}, None)
        seconds = time.monotonic() - started
        states = [app.services.uploads.find(upload) for upload in uploads]
        decoder = getattr(app.services.intake, "_decoder", None)
        if decoder is not None:
            decoder.stop()  # the peak of a child counts once it has ended
    sys.stdout.write(
        json.dumps(
            {
                "statuses": [state.status for state in states],
                "messages": [state.message for state in states],
                "own_bytes": _own_peak(),
                "child_bytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024,
                "seconds": seconds,
            }
        )
    )


def _upload(number: int, side: int) -> str:
    """Put a rotated JPEG, written by another process, so that this one stays small."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        output = io.BytesIO()
        exif = Image.Exif()
        exif[0x0112] = 6
        image = Image.linear_gradient("L").convert("RGB").resize((side, side - number))
        image.save(output, "JPEG", exif=exif.tobytes(), comment=str(number))
        with open(writer, "wb") as pipe:
            pipe.write(output.getvalue())
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        client("s3").put_object(Bucket=BUCKET_NAME, Key=f"uploads/{number}", Body=pipe.read())
    return str(number)  # not waited for: its peak is none of the batch's


def _record(upload: str) -> dict[str, Any]:
    notification = {
        "Records": [
            {"s3": {"bucket": {"name": BUCKET_NAME}, "object": {"key": f"uploads/{upload}"}}}
        ]
    }
    return {
        "messageId": upload,
        "receiptHandle": upload,
        "body": json.dumps(notification),
        "attributes": {"ApproximateReceiveCount": "1"},
    }


def _own_peak() -> int:
    """The peak of this process; getrusage's ru_maxrss starts with the peak of its parent."""
    (line,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line
    )
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
