"""The steps of the tests about delivery: pictures in, deliveries out, dead letters back."""

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


def pictures(name: str, number: int) -> list[bytes]:
    """Small pictures, the same ones each time under a name."""
    chance = random.Random(name)  # noqa: S311 - no secret
    contents = []
    for _ in range(number):
        picture = Image.frombytes("RGB", (8, 8), chance.randbytes(8 * 8 * 3)).resize((96, 96))
        output = io.BytesIO()
        picture.save(output, "PNG")
        contents.append(output.getvalue())
    return contents


def image_id_of(content: bytes) -> str:
    """The id that a picture's image will have."""
    return hashlib.sha256(content).hexdigest()[:32]


def post(stage: StageProcess, contents: Sequence[bytes]) -> list[str]:
    """Post pictures, some at once; their images' ids."""

    def post_one(content: bytes) -> str:
        headers = {"Content-Type": "image/png"}
        response = stage.request("POST", "/images", data=content, headers=headers)
        assert response.status_code == 202, response.text
        return str(response.json()["id"])

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(post_one, contents))


def settled(
    stage: StageProcess, image_id: str, is_there: Callable[[dict[str, Any]], bool]
) -> ImageValues:
    """The image as soon as its last delivery is as wanted."""
    return wait_for(
        lambda: stage.request("GET", f"/images/{image_id}").json(),
        lambda image: bool(image["delivery"]) and is_there(image["delivery"]),
        SETTLE_SECONDS,
        f"the delivery of image {image_id}",
    )


def every_image(stage: StageProcess) -> Iterator[ImageValues]:
    """All that the catalog lists."""
    cursor: str | None = ""
    while cursor is not None:
        page = stage.request("GET", f"/images?limit=100{cursor and f'&cursor={cursor}'}").json()
        yield from page["images"]
        cursor = page["cursor"]


def redrive(stage: StageProcess) -> str:
    """Give the dead letters to their queue again; what a person sees who does that."""
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
    """One of the stage's queues."""
    name = f"image-recognition-local-{name}"
    return str(stage.client("sqs").get_queue_url(QueueName=name)["QueueUrl"])
