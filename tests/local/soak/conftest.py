"""A run of many images, with deletions, repeated POSTs, killed workers and a redrive.

The recognizer and the third party answer at once, so that the stage itself is what is busy. What
happens to an image follows from its number (`Fate`).
"""

import os
import random
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum

import pytest
import requests

from tests.helpers.quick_servers import LabelNames, QuickRecognizer
from tests.helpers.quick_stage import QuickStage, quick_stage
from tests.helpers.stage_process import StageProcess, wait_for
from tests.helpers.steps import id_of, image_files, queue_url, redrive
from tests.helpers.worker_kills import workers
from tests.helpers.worker_processes import worker_megabytes

SEED = 30
POSTS_AT_ONCE = 8
STEP_SECONDS = 150  # for one step of one image, on a busy machine
CYCLE = 20  # numbers of images after which the fates repeat

# When SQS redelivers a message whose worker was killed: for recognition, after the image's lease.
VISIBILITY_SECONDS = {"recognition": 83, "integration": 10, "removals": 10, "intake": 10}

LABELS = tuple((f"Label {n:02}", f"Parent {n:02}", f"Alias {n:02}") for n in range(40))


class Fate(Enum):
    """What happens to an image after its POST, beside recognition and delivery."""

    NOTHING = "nothing"
    DELETED = "deleted once it is delivered"
    FORGOTTEN_AND_POSTED_AGAIN = "deleted, and posted again once it is not found"
    POSTED_AGAIN_AT_ONCE = "deleted, and posted again at once"
    POSTED_TWICE = "posted twice at once"
    REFUSED_AT_FIRST = "refused by the third party, then redriven"


_FATES = {
    3: Fate.DELETED,
    7: Fate.FORGOTTEN_AND_POSTED_AGAIN,
    11: Fate.POSTED_AGAIN_AT_ONCE,
    15: Fate.POSTED_TWICE,
    18: Fate.REFUSED_AT_FIRST,
}


@dataclass(frozen=True)
class Size:
    """How large a run is. Posting ends after `posting_seconds`, even if images are left.

    `kills` says how many workers of each function are killed.
    """

    images: int
    posting_seconds: float
    kills: dict[str, int]


SHORT = Size(120, 60, {"deliver_results": 2, "index_findings": 2})
LONG = Size(
    5000, 400, {"recognize_images": 8, "deliver_results": 8, "index_findings": 8, "api_handler": 8}
)


@dataclass
class Soak:
    """A run: the images by id, what was killed, and the workers' memory in MB, twice.

    `killed` counts the killed workers by function.
    """

    quick: QuickStage
    fates: dict[str, Fate] = field(default_factory=dict)
    killed: dict[str, int] = field(default_factory=dict)
    redriven: int = 0
    reconciliations: int = 0
    seconds: float = 0
    memory: list[dict[str, float]] = field(default_factory=list)

    @property
    def stage(self) -> StageProcess:
        return self.quick.stage

    def ids(self, *fates: Fate) -> set[str]:
        """The images of some fates."""
        return {image_id for image_id, fate in self.fates.items() if fate in fates}

    @property
    def expected(self) -> set[str]:
        """The images that should exist at the end."""
        return self.fates.keys() - self.ids(Fate.DELETED)


def labels_of(image_id: str) -> Sequence[LabelNames]:
    """One to ten labels, which follow from the image's id."""
    chance = random.Random(image_id)  # noqa: S311 - no secret
    return chance.sample(LABELS, chance.randint(1, 10))


@pytest.fixture(
    scope="package",
    params=[SHORT, pytest.param(LONG, marks=pytest.mark.campaign)],
    ids=lambda size: str(size.images),
)
def soak(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Soak]:
    """A run that has ended, except for what follows from it by itself."""
    folder = tmp_path_factory.mktemp("soak") / "project"
    settings = {
        "DELIVERY_PAUSES_SECONDS": "1",
        "DELIVERY_HOLD_SECONDS": "0.5",
        "RECONCILIATION_AGE_SECONDS": "20",
    }
    with quick_stage(folder, QuickRecognizer(labels_of), **settings) as quick:
        for queue, seconds in VISIBILITY_SECONDS.items():
            quick.stage.client("sqs").set_queue_attributes(
                QueueUrl=queue_url(quick.stage, queue),
                Attributes={"VisibilityTimeout": str(seconds)},
            )
        soak = Soak(quick)
        run(soak, request.param)
        yield soak


def run(soak: Soak, size: Size) -> None:
    """Send the images through the stage, and do to them what their fates say."""
    contents = image_files(f"soak {size.images}", size.images)
    fates = [_FATES.get(number % CYCLE, Fate.NOTHING) for number in range(size.images)]
    ids = list(map(id_of, contents))
    started = time.monotonic()
    third_party = soak.quick.third_party
    third_party.refused |= {
        image_id for image_id, fate in zip(ids, fates, strict=True) if fate is Fate.REFUSED_AT_FIRST
    }
    fulfilled: list[Future[None]] = []
    posting_is_over = threading.Event()

    def measure_memory_halfway() -> None:
        wait_for(
            lambda: max(
                len(soak.fates) / size.images, (time.monotonic() - started) / size.posting_seconds
            ),
            lambda done: done >= 0.5,
            size.posting_seconds,
            "half of the posts",
        )
        soak.memory.append(worker_megabytes(soak.stage))

    def post_one(number: int) -> None:
        if time.monotonic() - started < size.posting_seconds:
            soak.fates[ids[number]] = fates[number]
            post_until_accepted(soak.stage, contents[number])
            if fates[number] not in (Fate.NOTHING, Fate.REFUSED_AT_FIRST):
                fulfilled.append(others.submit(fulfil, soak, ids[number], contents[number]))

    with (
        ThreadPoolExecutor(POSTS_AT_ONCE) as posts,
        ThreadPoolExecutor(4) as others,
        ThreadPoolExecutor() as watchers,
    ):
        kills = {
            function: watchers.submit(kill, soak, function, number, size, posting_is_over)
            for function, number in size.kills.items()
        }
        halfway = watchers.submit(measure_memory_halfway)
        for each in [posts.submit(post_one, number) for number in range(size.images)]:
            each.result()
        posting_is_over.set()
        halfway.result()
        soak.killed = {function: each.result() for function, each in kills.items()}
        for each in fulfilled:
            each.result()
    soak.memory.append(worker_megabytes(soak.stage))
    soak.redriven = redrive_refused(soak)
    soak.seconds = time.monotonic() - started


def kill(
    soak: Soak, function: str, number: int, size: Size, posting_is_over: threading.Event
) -> int:
    """Kill workers of a function, at random numbers of delivered images; returns how many.

    Ends early if posting is over and fewer images were posted.
    """
    received = soak.quick.third_party.received

    def is_over() -> bool:
        expected = len(soak.fates) - len(soak.ids(Fate.REFUSED_AT_FIRST))
        return posting_is_over.is_set() and len(received) >= expected

    chance = random.Random(f"{SEED} {function}")  # noqa: S311 - no secret
    kills = 0
    for count in sorted(chance.sample(range(size.images // 20, size.images // 3), number)):
        wait_for(
            lambda: is_over() or (len(received) >= count and workers(soak.stage, function)),  # noqa: B023
            bool,
            size.posting_seconds + STEP_SECONDS,
            f"{count} delivered images and a worker of {function}",
        )
        running = workers(soak.stage, function)
        if running and not is_over():
            os.kill(chance.choice(running), signal.SIGKILL)
            kills += 1
    return kills


def post_until_accepted(stage: StageProcess, content: bytes) -> None:
    """Post an image as a client does that repeats a request whose worker was killed."""

    def post() -> requests.Response | None:
        try:
            headers = {"Content-Type": "image/png"}
            return stage.request("POST", "/images", data=content, headers=headers)
        except requests.RequestException:
            return None

    response = wait_for(
        post,
        lambda response: response is not None and response.status_code < 500,
        STEP_SECONDS,
        "a POST to be accepted",
    )
    assert response is not None
    assert response.status_code in (200, 202), response.text


def fulfil(soak: Soak, image_id: str, content: bytes) -> None:
    """Let an image's fate happen, once its result has been delivered."""
    stage, fate = soak.stage, soak.fates[image_id]
    if fate is Fate.POSTED_TWICE:
        return post_until_accepted(stage, content)
    wait_for(
        lambda: image_id in soak.quick.third_party.received,
        bool,
        STEP_SECONDS,
        f"the result of image {image_id}",
    )
    wait_for(
        lambda: stage.request("DELETE", f"/images/{image_id}").status_code,
        (202).__eq__,
        STEP_SECONDS,
        f"image {image_id} to be deleted",
    )
    if fate is Fate.FORGOTTEN_AND_POSTED_AGAIN:
        wait_for(
            lambda: stage.request("GET", f"/images/{image_id}").status_code,
            (404).__eq__,
            STEP_SECONDS,
            f"image {image_id} to be forgotten",
        )
    if fate is not Fate.DELETED:
        post_until_accepted(stage, content)
    return None


def redrive_refused(soak: Soak) -> int:
    """Let the third party accept what it refused, and redrive it; returns how many it refused."""
    third_party, refused = soak.quick.third_party, soak.ids(Fate.REFUSED_AT_FIRST)
    wait_for(
        lambda: refused - third_party.refusals.keys(),
        lambda missing: not missing,
        STEP_SECONDS,
        "the third party to refuse some results",
    )
    third_party.refused.clear()

    def redrive_and_look() -> set[str]:
        redrive(soak.stage)
        return refused - third_party.received.keys()

    wait_for(redrive_and_look, lambda missing: not missing, STEP_SECONDS, "the redriven results")
    return len(refused)
