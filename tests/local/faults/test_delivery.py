"""Nothing is lost and nothing is stored twice, whatever the third party does."""

import re
from itertools import pairwise

import pytest

from tests.helpers.faulty_third_party import (
    HUGE_BYTES,
    PERMANENT,
    RETRY_AFTER_SECONDS,
    STATUS_OF,
    Fault,
    FaultyThirdParty,
)
from tests.helpers.stage_process import StageProcess
from tests.helpers.steps import ImageValues
from tests.local.faults.conftest import SEED, Mix, delivered, has_failed

MOST_AT_ONCE = 5 * 10  # app.py: so many functions at a time, so many requests in each


def test_while_nobody_listens_an_image_shows_the_tries_and_when_the_next_is(
    outage: list[ImageValues],
) -> None:
    for image in outage:
        last = image["delivery"]
        assert last["status"] == "PENDING"
        assert last["status_code"] is None
        assert last["reason"] == "the connection was refused"
        assert last["next_try_at"] > last["last_tried_at"]


def test_what_was_tried_in_vain_arrives_when_the_third_party_is_back(
    stage: StageProcess, third_party: FaultyThirdParty, outage: list[ImageValues]
) -> None:
    for image in outage:
        tries = delivered(stage, image["id"])["delivery"]["tries"]
        assert tries > image["delivery"]["tries"]
        assert len(third_party.ids_stored_of(image["id"])) == 1


def test_each_image_under_faults_is_stored_exactly_once(
    third_party: FaultyThirdParty, mix: Mix, capsys: pytest.CaptureFixture[str]
) -> None:
    for image_id in mix.ids:
        assert len(third_party.ids_stored_of(image_id)) == 1, image_id
        assert len({seen.webhook_id for seen in third_party.seen_of(image_id)}) == 1
    counts = third_party.counts(mix.ids)
    assert set(counts) == set(Fault)
    repetitions = sum(len(copies) - 1 for copies in third_party.stored.values())
    lines = [
        f"\n  {len(mix.ids)} images under faults (seed {SEED}), none lost, each stored once; "
        f"{repetitions} came again under their webhook-id; at most {third_party.most_at_once} "
        f"requests at once; {len(mix.rounds)} rounds",
        *(f"  {count:5}  {fault}" for fault, count in counts.most_common()),
    ]
    with capsys.disabled():
        print("\n".join(lines))  # noqa: T201 - the counts are what this is run for


def test_each_images_state_is_what_the_third_party_saw(mix: Mix) -> None:
    for ended in mix.rounds:
        for image_id, image in ended.images.items():
            last = image["delivery"]
            status_code = STATUS_OF.get(ended.seen[image_id][-1].fault)
            is_good = status_code is not None and status_code < 300
            assert last["status"] == ("DELIVERED" if is_good else "FAILED"), image
            assert last["status_code"] == status_code, image
            assert (last["reason"] is None) == is_good, image
            tries = sum(delivery["tries"] for delivery in image["deliveries"])
            assert tries == len(ended.seen[image_id]), image
    assert not any(has_failed(image) for image in mix.rounds[-1].images.values())


def test_what_is_refused_is_not_tried_again_by_itself(
    third_party: FaultyThirdParty, mix: Mix
) -> None:
    refused = 0
    for ended in mix.rounds:
        for image_id, seen in ended.seen.items():
            if seen[-1].fault in PERMANENT:
                refused += 1
                assert has_failed(ended.images[image_id])
    assert refused == sum(third_party.counts(mix.ids)[fault] for fault in PERMANENT)
    assert third_party.redirects_followed == 0


def test_after_the_last_try_the_image_shows_how_it_ended(
    third_party: FaultyThirdParty, mix: Mix
) -> None:
    failed = mix.rounds[0].images[mix.exhausted_id]["delivery"]
    assert (failed["status"], failed["status_code"]) == ("FAILED", 500)
    assert failed["reason"] == "HTTP status 500"
    assert failed["next_try_at"] is None
    assert third_party.seen_of(mix.exhausted_id)[-1].fault is Fault.NONE


def test_all_that_failed_are_dead_letters_and_one_command_redrives_them(mix: Mix) -> None:
    assert mix.redriven
    for failed, said in mix.redriven:
        told = re.fullmatch(r"Moved (\d+) messages back to the integration queue\n", said)
        assert told
        # Those whose workers were killed may be among them.
        assert int(told[1]) >= failed


def test_retry_after_is_waited_for(third_party: FaultyThirdParty, mix: Mix) -> None:
    pauses = [
        later.began_at - earlier.ended_at
        for image_id in mix.ids
        for earlier, later in pairwise(third_party.seen_of(image_id))
        if earlier.fault is Fault.TOO_MANY
    ]
    assert pauses
    assert min(pauses) >= RETRY_AFTER_SECONDS - 0.1


def test_requests_that_hang_hold_up_no_others(third_party: FaultyThirdParty, mix: Mix) -> None:
    hanging = [seen for seen in third_party.seen if seen.fault is Fault.HANGS]
    meanwhile = [
        seen
        for seen in third_party.seen
        if seen.fault is Fault.NONE
        and any(each.began_at < seen.began_at and seen.ended_at < each.ended_at for each in hanging)
    ]
    assert meanwhile
    assert third_party.most_at_once <= MOST_AT_ONCE


def test_of_a_gigabyte_only_the_beginning_is_taken(third_party: FaultyThirdParty, mix: Mix) -> None:
    # The rest of what was sent is in the buffers of the two sockets.
    assert 0 < third_party.most_huge_bytes_sent < HUGE_BYTES / 20


def test_every_request_was_signed_with_both_secrets_and_every_document_valid(
    third_party: FaultyThirdParty, mix: Mix
) -> None:
    assert len(third_party.seen) > len(mix.ids)
    assert third_party.problems == []


def test_the_api_gives_the_very_bytes_that_were_delivered(
    stage: StageProcess, third_party: FaultyThirdParty, mix: Mix
) -> None:
    for image_id in mix.ids[:30]:
        response = stage.request(
            "GET", f"/images/{image_id}", headers={"Accept": "application/xml"}
        )
        (webhook_id,) = third_party.ids_stored_of(image_id)
        assert set(third_party.stored[webhook_id]) == {response.content}
