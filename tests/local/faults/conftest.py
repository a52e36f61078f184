"""A stage whose third party fails, and the images sent through it, shared by all tests here.

There are three groups of images: some are sent during an outage, some while workers are killed, and
some to a third party with a mix of faults. The fixtures run in this order, because they share the
stage. Images whose workers are killed must wait for their leases to end, so they continue while the
mix runs.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from infra import webhook_secrets
from tests.helpers.faulty_third_party import Fault, FaultyThirdParty, ReceivedRequest
from tests.helpers.stage_process import StageProcess
from tests.helpers.steps import (
    ImageValues,
    id_of,
    image_files,
    image_with_delivery,
    post,
    queue_url,
    redrive,
)
from tests.helpers.worker_kills import kill_workers_at

SEED = 6
OUTAGE_IMAGES = 8
MAX_ROUNDS = 6

# recognize.LEASE_DURATION: how long an image stays leased after its worker is killed.
LEASE_SECONDS = 75

# When SQS redelivers a message whose worker was killed. A deployed stage waits 360 seconds.
VISIBILITY_SECONDS = {"recognition": LEASE_SECONDS + 8, "integration": 10}


@dataclass
class Interrupted:
    """Images sent while workers are killed, and how many workers are killed, by function."""

    ids: list[str]
    kills: dict[str, int]


@dataclass
class Round:
    """Each image after its delivery ended, and the third party's requests for it up to then."""

    images: dict[str, ImageValues]
    requests: dict[str, list[ReceivedRequest]]


@dataclass
class Mix:
    """Images sent to a third party with a mix of faults.

    The image `exhausted_id` gets only server errors in the first round. For every round but the
    last, `redriven` has the number of failed deliveries and the output of the redrive command.
    """

    ids: list[str]
    exhausted_id: str
    rounds: list[Round] = field(default_factory=list)
    redriven: list[tuple[int, str]] = field(default_factory=list)


@pytest.fixture(
    scope="package", params=[30, pytest.param(200, marks=pytest.mark.campaign)], ids="{}".format
)
def image_count(request: pytest.FixtureRequest) -> int:
    """How many images are sent while workers are killed, and how many with faults."""
    return int(request.param)


@pytest.fixture(scope="package")
def third_party(image_count: int) -> Iterator[FaultyThirdParty]:
    """A third party that fails; a new one for each image count."""
    third_party = FaultyThirdParty()
    yield third_party
    third_party.close()


@pytest.fixture(scope="package")
def stage(
    tmp_path_factory: pytest.TempPathFactory, third_party: FaultyThirdParty
) -> Iterator[StageProcess]:
    """A stage that delivers to the faulty third party and retries within seconds, not a day."""
    stage = StageProcess(
        tmp_path_factory.mktemp("faults") / "project",
        environment={
            "THIRD_PARTY_URL": third_party.url,
            "DELIVERY_PAUSES_SECONDS": "1",
            "DELIVERY_DEADLINE_SECONDS": "1",
            "DELIVERY_HOLD_SECONDS": "0.5",
        },
    )
    stage.copy_project()
    try:
        stage.start()
        second_secret = webhook_secrets.create(stage.client("ssm"), "local")
        third_party.secrets = (stage.ready["webhook_secret"], second_secret)
        for queue, seconds in VISIBILITY_SECONDS.items():
            stage.client("sqs").set_queue_attributes(
                QueueUrl=queue_url(stage, queue), Attributes={"VisibilityTimeout": str(seconds)}
            )
        yield stage
    finally:
        stage.stop_if_running()


@pytest.fixture(scope="package")
def outage(stage: StageProcess, third_party: FaultyThirdParty) -> list[ImageValues]:
    """The first images, as the API shows them while the third party refuses connections."""
    ids = post(stage, image_files("outage", OUTAGE_IMAGES))
    images = [
        image_with_delivery(stage, image_id, lambda delivery: delivery["tries"] >= 1)
        for image_id in ids
    ]
    third_party.open()
    return images


@pytest.fixture(scope="package")
def interrupted(
    stage: StageProcess, third_party: FaultyThirdParty, outage: list[ImageValues], image_count: int
) -> Interrupted:
    """Images whose workers are killed at times; those wait for leases and messages to time out."""
    calls_before, requests_before = rekognition_calls(stage), len(third_party.requests)
    progress = {
        "recognize_images": lambda: rekognition_calls(stage) - calls_before,
        "deliver_results": lambda: len(third_party.requests) - requests_before,
    }
    chance = random.Random(SEED)  # noqa: S311 - no secret
    kills = max(image_count // 12, 3)
    with ThreadPoolExecutor() as pool:
        killed = {
            function: pool.submit(
                kill_workers_at,
                stage,
                function,
                done,
                chance.sample(range(1, image_count // 2), kills),
                chance,
            )
            for function, done in progress.items()
        }
        ids = post(stage, image_files("interrupted", image_count))
        return Interrupted(ids, {function: each.result() for function, each in killed.items()})


@pytest.fixture(scope="package")
def mix(
    stage: StageProcess, third_party: FaultyThirdParty, interrupted: Interrupted, image_count: int
) -> Mix:
    """Images with faults; failed deliveries are repeated until every result is delivered."""
    contents = image_files("mix", image_count)
    ids = [id_of(content) for content in contents]
    mix = Mix(ids, exhausted_id=ids[-1])
    for image_id, faults in zip(ids, plans(image_count), strict=True):
        third_party.plan(image_id, faults)
    third_party.plan(mix.exhausted_id, [Fault.SERVER_ERROR] * 100)
    post(stage, contents)
    failed = ids
    before: dict[str, ImageValues] = {}
    while failed and len(mix.rounds) < MAX_ROUNDS:
        mix.rounds.append(ended_round(stage, third_party, failed, before))
        before = mix.rounds[-1].images
        failed = [image_id for image_id in failed if has_failed(before[image_id])]
        if failed:
            third_party.plan(mix.exhausted_id, [])
            mix.redriven.append((len(failed), deliver_again(stage, failed)))
    return mix


def rekognition_calls(stage: StageProcess) -> int:
    """The number of calls in the local Rekognition's log."""
    return stage.log("rekognition").count("images/")


def plans(image_count: int) -> list[list[Fault]]:
    """The faults of each image: first each fault once, then up to three random ones."""
    chance = random.Random(SEED)  # noqa: S311 - no secret
    faults: list[Fault] = [fault for fault in Fault if fault is not Fault.NONE]
    each_once = [[fault] for fault in faults]
    up_to_three = [chance.choices(faults, k=chance.randint(0, 3)) for _ in range(image_count)]
    return (each_once + up_to_three)[:image_count]


def ended_round(
    stage: StageProcess,
    third_party: FaultyThirdParty,
    ids: Sequence[str],
    before: Mapping[str, ImageValues],
) -> Round:
    """Wait until each image has a delivery that ended and differs from the one in `before`."""

    def ended(image_id: str) -> ImageValues:
        return image_with_delivery(
            stage,
            image_id,
            lambda delivery: (
                delivery["status"] in ("DELIVERED", "FAILED")
                and (image_id not in before or delivery != before[image_id]["delivery"])
            ),
        )

    images = {image_id: ended(image_id) for image_id in ids}
    return Round(images, {image_id: third_party.requests_for(image_id) for image_id in ids})


def has_failed(image: ImageValues) -> bool:
    """Whether the image's last delivery failed."""
    return bool(image["delivery"]["status"] == "FAILED")


def deliver_again(stage: StageProcess, failed: Sequence[str]) -> str:
    """Deliver half of the images through the API, redrive the rest, and return the output."""
    for image_id in failed[::2]:
        response = stage.request("POST", f"/images/{image_id}/deliveries")
        assert response.status_code == 202, response.text
    return redrive(stage)


def delivered(stage: StageProcess, image_id: str) -> ImageValues:
    """Wait until an image's result is delivered, and return the image."""
    return image_with_delivery(stage, image_id, lambda delivery: delivery["status"] == "DELIVERED")
