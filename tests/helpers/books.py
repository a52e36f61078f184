"""The books of a stage: what S3, the catalog, the counts and the usage say, compared.

Counts and usage follow the table's changes, so everything agrees only once the stage is quiet.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.helpers.stage_process import StageProcess
from tests.helpers.steps import every_image

IMAGES_PREFIX = "images/"


@dataclass(frozen=True)
class Books:
    """What a stage says at one moment.

    `stored` are the ids in S3, `images` the images that the API lists, `counts` the numbers of
    images by label, and `calls` the calls of Rekognition that the usage counts.
    """

    stored: frozenset[str]
    images: Mapping[str, dict[str, Any]]
    counts: Mapping[str, int]
    calls: int


def books_of(stage: StageProcess) -> Books:
    """Read the books through S3 and the API."""
    return Books(
        frozenset(_stored(stage)),
        {image["id"]: image for image in every_image(stage)},
        dict(_counts(stage)),
        stage.request("GET", "/usage").json()["calls"],
    )


def disagreements(books: Books, expected: Collection[str]) -> list[str]:
    """What does not fit together, one line each, when the images `expected` should exist."""
    listed = Counter(
        label["name"] for image in books.images.values() for label in image["labels"] or ()
    )
    return [
        *_sets("S3", books.stored, set(expected)),
        *_sets("the catalog", books.images.keys(), set(expected)),
        *(
            f"image {image_id} is {image['status']} in the catalog"
            for image_id, image in books.images.items()
            if image["status"] != "RECOGNIZED"
        ),
        *(
            f"label {name} counts {books.counts.get(name, 0)} images; {listed[name]} have it"
            for name in sorted(books.counts.keys() | listed.keys())
            if books.counts.get(name, 0) != listed[name]
        ),
    ]


def _sets(place: str, found: Collection[str], expected: Collection[str]) -> Iterator[str]:
    for image_id in sorted(set(expected) - set(found)):
        yield f"image {image_id} is missing from {place}"
    for image_id in sorted(set(found) - set(expected)):
        yield f"image {image_id} is in {place} and should not be"


def _stored(stage: StageProcess) -> Iterator[str]:
    client = stage.client("s3")
    (bucket,) = (
        bucket["Name"] for bucket in client.list_buckets()["Buckets"] if "images" in bucket["Name"]
    )
    for page in client.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=IMAGES_PREFIX
    ):
        yield from (item["Key"].removeprefix(IMAGES_PREFIX) for item in page.get("Contents", ()))


def _counts(stage: StageProcess) -> Iterator[tuple[str, int]]:
    cursor: str | None = ""
    while cursor is not None:
        page = stage.request("GET", "/labels", params={"limit": 100, "cursor": cursor or None})
        values = page.json()
        yield from ((label["name"], label["count"]) for label in values["labels"])
        cursor = values["cursor"]
