"""Whatever the third party does, no result is lost and none is stored twice."""

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

MAX_CONCURRENT_REQUESTS = 5 * 10  # app.py: concurrent functions, and messages in each


def test_during_an_outage_an_image_shows_its_attempts_and_the_time_of_the_next(
    outage: list[ImageValues],
) -> None:
    for image in outage:
        delivery = image["delivery"]
        assert delivery["status"] == "PENDING"
        assert delivery["status_code"] is None
        assert delivery["reason"] == "the connection was refused"
        assert delivery["next_try_at"] > delivery["last_tried_at"]


def test_results_arrive_once_the_third_party_recovers(
    stage: StageProcess, third_party: FaultyThirdParty, outage: list[ImageValues]
) -> None:
    for image in outage:
        attempts = delivered(stage, image["id"])["delivery"]["tries"]
        assert attempts > image["delivery"]["tries"]
        assert len(third_party.webhook_ids_for(image["id"])) == 1


def test_despite_faults_each_result_is_stored_exactly_once(
    third_party: FaultyThirdParty, mix: Mix, capsys: pytest.CaptureFixture[str]
) -> None:
    for image_id in mix.ids:
        assert len(third_party.webhook_ids_for(image_id)) == 1, image_id
        assert len({each.webhook_id for each in third_party.requests_for(image_id)}) == 1
    counts = third_party.counts(mix.ids)
    assert set(counts) == set(Fault)
    repetitions = sum(len(copies) - 1 for copies in third_party.stored.values())
    lines = [
        f"\n  {len(mix.ids)} images with faults (seed {SEED}), none lost, each stored once; "
        f"{repetitions} repeated under the same webhook-id; at most {third_party.max_concurrent} "
        f"concurrent requests; {len(mix.rounds)} rounds",
        *(f"  {count:5}  {fault}" for fault, count in counts.most_common()),
    ]
    with capsys.disabled():
        print("\n".join(lines))  # noqa: T201 - people run this for the counts


def test_each_image_shows_the_response_of_the_third_party(mix: Mix) -> None:
    for ended in mix.rounds:
        for image_id, image in ended.images.items():
            delivery = image["delivery"]
            status_code = STATUS_OF.get(ended.requests[image_id][-1].fault)
            is_good = status_code is not None and status_code < 300
            assert delivery["status"] == ("DELIVERED" if is_good else "FAILED"), image
            assert delivery["status_code"] == status_code, image
            assert (delivery["reason"] is None) == is_good, image
            attempts = sum(each["tries"] for each in image["deliveries"])
            assert attempts == len(ended.requests[image_id]), image
    assert not any(has_failed(image) for image in mix.rounds[-1].images.values())


def test_a_result_that_the_third_party_rejects_is_not_retried(
    third_party: FaultyThirdParty, mix: Mix
) -> None:
    rejected = 0
    for ended in mix.rounds:
        for image_id, requests in ended.requests.items():
            if requests[-1].fault in PERMANENT:
                rejected += 1
                assert has_failed(ended.images[image_id])
    assert rejected == sum(third_party.counts(mix.ids)[fault] for fault in PERMANENT)
    assert third_party.redirects_followed == 0


def test_after_the_last_attempt_the_image_shows_why_its_delivery_failed(
    third_party: FaultyThirdParty, mix: Mix
) -> None:
    failed = mix.rounds[0].images[mix.exhausted_id]["delivery"]
    assert (failed["status"], failed["status_code"]) == ("FAILED", 500)
    assert failed["reason"] == "HTTP status 500"
    assert failed["next_try_at"] is None
    assert third_party.requests_for(mix.exhausted_id)[-1].fault is Fault.NONE


def test_failed_deliveries_are_dead_letters_and_one_command_redrives_them(mix: Mix) -> None:
    assert mix.redriven
    for failed, output in mix.redriven:
        match = re.fullmatch(r"Moved (\d+) messages back to the integration queue\n", output)
        assert match
        # Messages whose workers were killed may be among them.
        assert int(match[1]) >= failed


def test_no_request_is_sent_before_retry_after(third_party: FaultyThirdParty, mix: Mix) -> None:
    pauses = [
        later.started_at - earlier.ended_at
        for image_id in mix.ids
        for earlier, later in pairwise(third_party.requests_for(image_id))
        if earlier.fault is Fault.TOO_MANY_REQUESTS
    ]
    assert pauses
    assert min(pauses) >= RETRY_AFTER_SECONDS - 0.1


def test_requests_that_hang_do_not_delay_others(third_party: FaultyThirdParty, mix: Mix) -> None:
    hanging = [request for request in third_party.requests if request.fault is Fault.HANGS]
    meanwhile = [
        request
        for request in third_party.requests
        if request.fault is Fault.NONE
        and any(
            each.started_at < request.started_at and request.ended_at < each.ended_at
            for each in hanging
        )
    ]
    assert meanwhile
    assert third_party.max_concurrent <= MAX_CONCURRENT_REQUESTS


def test_only_the_beginning_of_a_huge_response_is_read(
    third_party: FaultyThirdParty, mix: Mix
) -> None:
    # The buffers of the two sockets hold the rest of what was sent.
    assert 0 < third_party.max_huge_bytes_sent < HUGE_BYTES / 20


def test_every_request_is_signed_with_both_secrets_and_has_a_valid_document(
    third_party: FaultyThirdParty, mix: Mix
) -> None:
    assert len(third_party.requests) > len(mix.ids)
    assert third_party.problems == []


def test_the_api_returns_the_delivered_document_byte_for_byte(
    stage: StageProcess, third_party: FaultyThirdParty, mix: Mix
) -> None:
    for image_id in mix.ids[:30]:
        response = stage.request(
            "GET", f"/images/{image_id}", headers={"Accept": "application/xml"}
        )
        (webhook_id,) = third_party.webhook_ids_for(image_id)
        assert set(third_party.stored[webhook_id]) == {response.content}
