"""A stage whose third party goes wrong, and what is sent through it, once for all tests here.

Three lots of images: some during an outage, some while workers are killed, some under a mix of
faults. Each fixture comes after the one before, because all share the stage; only the images whose
workers were killed go on by themselves while the mix is under way, since they have to wait.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from infra import webhook_secrets
from tests.helpers.faulty_third_party import Fault, FaultyThirdParty, Seen
from tests.helpers.stage_process import StageProcess
from tests.helpers.steps import (
    ImageValues,
    image_id_of,
    pictures,
    post,
    queue_url,
    redrive,
    settled,
)
from tests.helpers.worker_kills import kill_at

SEED = 6
OUTAGE_IMAGES = 8
MOST_ROUNDS = 6

# As recognize.LEASE_DURATION: an image whose worker was killed is left alone for so long.
LEASE_SECONDS = 75

# After so long SQS gives a message again whose worker was killed; 360 where nobody waits for it.
VISIBILITY_SECONDS = {"recognition": LEASE_SECONDS + 8, "integration": 10}


@dataclass
class Interrupted:
    """Images during which workers were killed, and how many workers, by function."""

    ids: list[str]
    kills: dict[str, int]


@dataclass
class Round:
    """Each image when nothing more was to come by itself, and the requests seen until then."""

    images: dict[str, ImageValues]
    seen: dict[str, list[Seen]]


@dataclass
class Mix:
    """Images under a mix of faults; `exhausted_id` is of one that meets nothing else at first.

    `redriven` has how many had failed and what the command said, for each round but the last.
    """

    ids: list[str]
    exhausted_id: str
    rounds: list[Round] = field(default_factory=list)
    redriven: list[tuple[int, str]] = field(default_factory=list)


@pytest.fixture(
    scope="package", params=[30, pytest.param(200, marks=pytest.mark.campaign)], ids="{}".format
)
def number(request: pytest.FixtureRequest) -> int:
    """How many images are killed workers', and how many under faults."""
    return int(request.param)


@pytest.fixture(scope="package")
def third_party(number: int) -> Iterator[FaultyThirdParty]:
    """One third party for as many images."""
    third_party = FaultyThirdParty()
    yield third_party
    third_party.close()


@pytest.fixture(scope="package")
def stage(
    tmp_path_factory: pytest.TempPathFactory, third_party: FaultyThirdParty
) -> Iterator[StageProcess]:
    """A stage that delivers to the faulty third party, and does in seconds what takes a day."""
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
    """The first images, as they look while nobody listens at the third party's address."""
    ids = post(stage, pictures("outage", OUTAGE_IMAGES))
    images = [settled(stage, image_id, lambda last: last["tries"] >= 1) for image_id in ids]
    third_party.open()
    return images


@pytest.fixture(scope="package")
def interrupted(
    stage: StageProcess, third_party: FaultyThirdParty, outage: list[ImageValues], number: int
) -> Interrupted:
    """Images of which some lost their worker; they wait for their claims and messages to end."""
    calls_before, requests_before = calls_of_rekognition(stage), len(third_party.seen)
    progress = {
        "recognize_images": lambda: calls_of_rekognition(stage) - calls_before,
        "deliver_results": lambda: len(third_party.seen) - requests_before,
    }
    chance = random.Random(SEED)  # noqa: S311 - no secret
    kills = max(number // 12, 3)
    with ThreadPoolExecutor() as pool:
        killed = {
            function: pool.submit(
                kill_at, stage, function, done, chance.sample(range(1, number // 2), kills), chance
            )
            for function, done in progress.items()
        }
        ids = post(stage, pictures("interrupted", number))
        return Interrupted(ids, {function: each.result() for function, each in killed.items()})


@pytest.fixture(scope="package")
def mix(
    stage: StageProcess, third_party: FaultyThirdParty, interrupted: Interrupted, number: int
) -> Mix:
    """Images under faults; what fails for good is sent again, until all of it is delivered."""
    contents = pictures("mix", number)
    ids = [image_id_of(content) for content in contents]
    mix = Mix(ids, exhausted_id=ids[-1])
    for image_id, faults in zip(ids, plans(number), strict=True):
        third_party.plan(image_id, faults)
    third_party.plan(mix.exhausted_id, [Fault.SERVER_ERROR] * 100)
    post(stage, contents)
    failed = ids
    before: dict[str, ImageValues] = {}
    while failed and len(mix.rounds) < MOST_ROUNDS:
        mix.rounds.append(ended_round(stage, third_party, failed, before))
        before = mix.rounds[-1].images
        failed = [image_id for image_id in failed if has_failed(before[image_id])]
        if failed:
            third_party.plan(mix.exhausted_id, [])
            mix.redriven.append((len(failed), send_again(stage, failed)))
    return mix


def calls_of_rekognition(stage: StageProcess) -> int:
    """How many there were, from its log."""
    return stage.log("rekognition").count("images/")


def plans(number: int) -> list[list[Fault]]:
    """Each fault once, then up to three of any for each image."""
    chance = random.Random(SEED)  # noqa: S311 - no secret
    faults: list[Fault] = [fault for fault in Fault if fault is not Fault.NONE]
    each_once = [[fault] for fault in faults]
    up_to_three = [chance.choices(faults, k=chance.randint(0, 3)) for _ in range(number)]
    return (each_once + up_to_three)[:number]


def ended_round(
    stage: StageProcess,
    third_party: FaultyThirdParty,
    ids: Sequence[str],
    before: Mapping[str, ImageValues],
) -> Round:
    """The images as soon as each delivery came to an end that is another than before."""

    def ended(image_id: str) -> ImageValues:
        return settled(
            stage,
            image_id,
            lambda last: (
                last["status"] in ("DELIVERED", "FAILED")
                and (image_id not in before or last != before[image_id]["delivery"])
            ),
        )

    images = {image_id: ended(image_id) for image_id in ids}
    return Round(images, {image_id: third_party.seen_of(image_id) for image_id in ids})


def has_failed(image: ImageValues) -> bool:
    """Whether the third party has no result of the image yet."""
    return bool(image["delivery"]["status"] == "FAILED")


def send_again(stage: StageProcess, failed: Sequence[str]) -> str:
    """Half of them by the API, the rest by the command; what the command says."""
    for image_id in failed[::2]:
        response = stage.request("POST", f"/images/{image_id}/deliveries")
        assert response.status_code == 202, response.text
    return redrive(stage)


def delivered(stage: StageProcess, image_id: str) -> ImageValues:
    """The image as soon as its result is delivered."""
    return settled(stage, image_id, lambda last: last["status"] == "DELIVERED")
