"""A killed worker loses no result, and costs a second call only if it held a response."""

from datetime import datetime

import pytest

from tests.helpers.faulty_third_party import FaultyThirdParty
from tests.helpers.stage_process import StageProcess
from tests.helpers.steps import ImageValues, every_image, image_with_delivery, redrive
from tests.local.faults.conftest import LEASE_SECONDS, SEED, Interrupted, Mix, delivered


@pytest.fixture(scope="module")
def images(stage: StageProcess, interrupted: Interrupted, mix: Mix) -> dict[str, ImageValues]:
    """The images sent while workers were killed, all delivered; the mix has run in the meantime."""
    ended = [
        image_with_delivery(stage, each, lambda delivery: delivery["status"] != "PENDING")
        for each in interrupted.ids
    ]
    # The circuit breaker held some back at every receive, because other deliveries failed.
    if any(image["delivery"]["status"] == "FAILED" for image in ended):
        redrive(stage)
    return {image_id: delivered(stage, image_id) for image_id in interrupted.ids}


def test_each_image_is_recognized_and_delivered_once(
    third_party: FaultyThirdParty, images: dict[str, ImageValues]
) -> None:
    for image_id, image in images.items():
        assert image["status"] == "RECOGNIZED"
        assert len(third_party.webhook_ids_for(image_id)) == 1


def test_each_image_has_one_row(stage: StageProcess, images: dict[str, ImageValues]) -> None:
    listed = [image["id"] for image in every_image(stage)]
    assert len(listed) == len(set(listed))
    assert set(images) <= set(listed)


def test_rekognition_is_called_again_only_if_the_first_response_was_lost(
    stage: StageProcess,
    interrupted: Interrupted,
    images: dict[str, ImageValues],
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = stage.log("rekognition")
    calls = {image_id: log.count(f"images/{image_id}") for image_id in images}
    called_twice = [image_id for image_id, count in calls.items() if count > 1]
    for image_id, image in images.items():
        assert calls[image_id] >= 1
        # A second call is made only after the lease of the killed worker has ended.
        assert calls[image_id] == 1 or seconds_to_recognize(image) > LEASE_SECONDS
    waited = [image for image in images.values() if seconds_to_recognize(image) > LEASE_SECONDS]
    assert sum(interrupted.kills.values()) >= 4
    assert waited, "no worker was killed while it held an image"
    with capsys.disabled():
        print(  # noqa: T201 - people run this for the counts
            f"\n  {len(images)} images, workers killed: {interrupted.kills} (seed {SEED}): all "
            f"recognized and delivered, one row each; {len(waited)} lost their worker, "
            f"{sum(calls.values())} calls to Rekognition, {len(called_twice)} images called twice"
        )


def test_usage_counts_each_image_once(stage: StageProcess, images: dict[str, ImageValues]) -> None:
    """Usage is written with the result, so it counts once even if Rekognition is called twice."""
    listed = sum(1 for _ in every_image(stage))
    assert stage.request("GET", "/usage").json()["calls"] == listed


def seconds_to_recognize(image: ImageValues) -> float:
    began, ended = (datetime.fromisoformat(image[each]) for each in ("created_at", "recognized_at"))
    return (ended - began).total_seconds()
