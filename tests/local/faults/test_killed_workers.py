"""Workers that are killed lose nothing, and cost a second call only where they took one along."""

from datetime import datetime

import pytest

from tests.helpers.faulty_third_party import FaultyThirdParty
from tests.helpers.stage_process import StageProcess
from tests.helpers.steps import ImageValues, every_image, redrive, settled
from tests.local.faults.conftest import LEASE_SECONDS, SEED, Interrupted, Mix, delivered


@pytest.fixture(scope="module")
def images(stage: StageProcess, interrupted: Interrupted, mix: Mix) -> dict[str, ImageValues]:
    """The images whose workers were killed, delivered. (The mix is under way before they are.)"""
    ended = [
        settled(stage, each, lambda last: last["status"] != "PENDING") for each in interrupted.ids
    ]
    # Those that were held back each time, while others made the third party look down.
    if any(image["delivery"]["status"] == "FAILED" for image in ended):
        redrive(stage)
    return {image_id: delivered(stage, image_id) for image_id in interrupted.ids}


def test_all_are_recognized_and_delivered_once(
    third_party: FaultyThirdParty, images: dict[str, ImageValues]
) -> None:
    for image_id, image in images.items():
        assert image["status"] == "RECOGNIZED"
        assert len(third_party.ids_stored_of(image_id)) == 1


def test_each_has_one_row(stage: StageProcess, images: dict[str, ImageValues]) -> None:
    listed = [image["id"] for image in every_image(stage)]
    assert len(listed) == len(set(listed))
    assert set(images) <= set(listed)


def test_rekognition_is_asked_again_only_where_the_first_answer_was_lost(
    stage: StageProcess,
    interrupted: Interrupted,
    images: dict[str, ImageValues],
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = stage.log("rekognition")
    calls = {image_id: log.count(f"images/{image_id}") for image_id in images}
    asked_twice = [image_id for image_id, count in calls.items() if count > 1]
    for image_id, image in images.items():
        assert calls[image_id] >= 1
        # Asked again only when the claim of the worker that was killed had ended.
        assert calls[image_id] == 1 or seconds_to_recognize(image) > LEASE_SECONDS
    waited = [image for image in images.values() if seconds_to_recognize(image) > LEASE_SECONDS]
    assert sum(interrupted.kills.values()) >= 4
    assert waited, "no worker was killed while it held an image"
    with capsys.disabled():
        print(  # noqa: T201 - the counts are what this is run for
            f"\n  {len(images)} images, workers killed: {interrupted.kills} (seed {SEED}): all "
            f"recognized and delivered, one row each; {len(waited)} lost their worker, "
            f"{sum(calls.values())} calls of Rekognition, {len(asked_twice)} images asked twice"
        )


def test_usage_counts_each_image_once(stage: StageProcess, images: dict[str, ImageValues]) -> None:
    """What is written with a result, is written once: also where Rekognition was asked twice."""
    listed = sum(1 for _ in every_image(stage))
    assert stage.request("GET", "/usage").json()["calls"] == listed


def seconds_to_recognize(image: ImageValues) -> float:
    began, ended = (datetime.fromisoformat(image[each]) for each in ("created_at", "recognized_at"))
    return (ended - began).total_seconds()
