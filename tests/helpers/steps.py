"""Steps that the fault tests share: create and post images, await deliveries, redrive."""

import hashlib
import io
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from PIL import Image

from tests.helpers.stage_process import StageProcess, wait_for

SETTLE_SECONDS = 300

ImageValues = dict[str, Any]


def image_files(name: str, number: int) -> list[bytes]:
    """PNG files of small images; the same name and number give the same files."""
    chance = random.Random(name)  # noqa: S311 - no secret
    contents = []
    for _ in range(number):
        image = Image.frombytes("RGB", (8, 8), chance.randbytes(8 * 8 * 3)).resize((96, 96))
        output = io.BytesIO()
        image.save(output, "PNG")
        contents.append(output.getvalue())
    return contents


def id_of(content: bytes) -> str:
    """The id under which an image is stored."""
    return hashlib.sha256(content).hexdigest()[:32]


def post(stage: StageProcess, contents: Sequence[bytes], at_once: int = 4) -> list[str]:
    """Post new images, some at a time, and return their ids in the same order."""

    def post_one(content: bytes) -> str:
        headers = {"Content-Type": "image/png"}
        response = stage.request("POST", "/images", data=content, headers=headers)
        assert response.status_code == 202, response.text
        return str(response.json()["id"])

    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(post_one, contents))


def image_with_delivery(
    stage: StageProcess, image_id: str, is_there: Callable[[dict[str, Any]], bool]
) -> ImageValues:
    """Wait until an image's last delivery satisfies `is_there`, and return the image."""
    return wait_for(
        lambda: stage.request("GET", f"/images/{image_id}").json(),
        lambda image: bool(image["delivery"]) and is_there(image["delivery"]),
        SETTLE_SECONDS,
        f"the delivery of image {image_id}",
    )


def every_image(stage: StageProcess) -> Iterator[ImageValues]:
    """All images that the API lists, page by page."""
    cursor: str | None = ""
    while cursor is not None:
        page = stage.request("GET", f"/images?limit=100{cursor and f'&cursor={cursor}'}").json()
        yield from page["images"]
        cursor = page["cursor"]


def redrive(stage: StageProcess) -> str:
    """Redrive the dead letters of the integration queue, and return what the command prints."""
    exports = (stage.folder / ".localcloud" / "environment").read_text()
    variables = dict(line.removeprefix("export ").split("=", 1) for line in exports.splitlines())
    return subprocess.run(
        [sys.executable, "-m", "infra.redrive", "--stage", "local", "integration"],
        cwd=stage.folder,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=True,
    ).stdout


def queue_url(stage: StageProcess, name: str) -> str:
    """The URL of one of the stage's queues."""
    name = f"image-recognition-local-{name}"
    return str(stage.client("sqs").get_queue_url(QueueName=name)["QueueUrl"])
