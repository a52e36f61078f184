"""After the faults, S3, the catalog, the counts and the usage agree; also after deletions.

This module is the last of the folder, because it deletes images that the others look at.
"""

from collections.abc import Collection

import pytest

from tests.helpers.books import Books, books_of, disagreements
from tests.helpers.faulty_third_party import FaultyThirdParty
from tests.helpers.stage_process import StageProcess, wait_for
from tests.helpers.steps import ImageValues
from tests.local.faults.conftest import Interrupted, Mix, rekognition_calls

SETTLE_SECONDS = 240
EVERY = 5  # of this many images, one is deleted


@pytest.fixture(scope="module")
def ids(outage: list[ImageValues], interrupted: Interrupted, mix: Mix) -> list[str]:
    """All images that were sent."""
    return [*(image["id"] for image in outage), *interrupted.ids, *mix.ids]


def agreeing_books(stage: StageProcess, expected: Collection[str]) -> Books:
    """The books once they agree; fails, and names each disagreement, if they do not."""
    seen: list[Books] = []

    def look() -> list[str]:
        seen.append(books_of(stage))
        return disagreements(seen[-1], expected)

    wait_for(look, lambda lines: not lines, SETTLE_SECONDS, "the books to agree")
    return seen[-1]


def test_s3_the_catalog_and_the_counts_agree(stage: StageProcess, ids: list[str]) -> None:
    assert agreeing_books(stage, ids).images.keys() == set(ids)


def test_the_usage_counts_the_answers_that_were_kept(
    stage: StageProcess, interrupted: Interrupted, ids: list[str]
) -> None:
    """A killed worker may lose the answers of a batch of ten, which are asked for again."""
    calls = agreeing_books(stage, ids).calls
    assert calls == len(ids)
    assert calls <= rekognition_calls(stage) <= calls + 10 * interrupted.kills["recognize_images"]


def test_deleted_images_leave_nothing_behind(
    stage: StageProcess, third_party: FaultyThirdParty, ids: list[str]
) -> None:
    before = agreeing_books(stage, ids)
    deleted = ids[::EVERY]
    for image_id in deleted:
        assert stage.request("DELETE", f"/images/{image_id}").status_code == 202
    after = agreeing_books(stage, set(ids) - set(deleted))
    for image_id in deleted:
        assert stage.request("GET", f"/images/{image_id}").status_code == 404
    assert after.calls == before.calls  # what was paid stays paid
    assert sum(after.counts.values()) < sum(before.counts.values()) or not before.counts
