from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.model.changes import (
    MAX_DELIVERIES,
    MAX_SOURCES,
    FeatureOutcome,
    with_arrival,
    with_attempt,
    with_features_requested,
    with_new_delivery,
    with_outcomes,
)
from chalicelib.model.findings import Feature
from chalicelib.model.image import Delivery, DeliveryStatus, Failure, Status
from tests.helpers.images import CREATED_AT, PENDING, RECOGNIZED, recognized, state

LATER = CREATED_AT + timedelta(minutes=1)
FAILURE = Failure("InvalidImageFormatException", "Not an image.")


def test_a_recognized_feature_is_not_recognized_again() -> None:
    assert with_features_requested(RECOGNIZED, [Feature.LABELS], LATER) == RECOGNIZED


def test_a_feature_of_another_model_version_than_the_latest_is_recognized_again() -> None:
    latest = {Feature.LABELS: "3.1", Feature.TEXT: "7.0"}
    again = with_features_requested(RECOGNIZED, [Feature.LABELS], LATER, latest)
    assert again.pending == (Feature.LABELS,)
    assert again.result_delivery == 2
    image = with_outcomes(again, [FeatureOutcome(Feature.LABELS, "3.1")], LATER)
    assert with_features_requested(image, [Feature.LABELS], LATER, latest) == image


def test_a_feature_of_unknown_model_version_is_not_recognized_again() -> None:
    image = with_outcomes(PENDING, [FeatureOutcome(Feature.LABELS)], LATER)
    assert with_features_requested(image, [Feature.LABELS], LATER, {Feature.LABELS: "3.1"}) == image
    assert with_features_requested(RECOGNIZED, [Feature.LABELS], LATER, {}) == RECOGNIZED


def test_a_newer_model_does_not_change_a_feature_that_is_not_requested() -> None:
    image = with_features_requested(RECOGNIZED, [Feature.TEXT], LATER, {Feature.LABELS: "3.1"})
    assert image.pending == (Feature.TEXT,)


def test_another_feature_is_pending_and_starts_another_delivery() -> None:
    image = with_features_requested(RECOGNIZED, [Feature.TEXT, Feature.LABELS], LATER)
    assert image.pending == (Feature.TEXT,)
    assert (image.status, image.result_delivery) == (Status.RECOGNIZED, 2)
    assert image.features[0] == RECOGNIZED.features[0]


def test_features_requested_while_others_are_pending_share_their_result() -> None:
    image = with_features_requested(PENDING, [Feature.TEXT], LATER)
    assert image.pending == (Feature.LABELS, Feature.TEXT)
    assert image.result_delivery == 1


def test_a_failed_feature_is_recognized_again() -> None:
    failed = with_outcomes(PENDING, [FeatureOutcome(Feature.LABELS, failure=FAILURE)], LATER)
    assert with_features_requested(failed, [Feature.LABELS], LATER).pending == (Feature.LABELS,)


def test_an_image_is_pending_until_every_requested_feature_is_recognized_or_failed() -> None:
    image = with_features_requested(PENDING, [Feature.TEXT], LATER)
    half = with_outcomes(image, [FeatureOutcome(Feature.LABELS, "3.0")], LATER)
    assert (half.status, half.recognized_at, half.deliveries) == (Status.PENDING, None, ())
    whole = with_outcomes(half, [FeatureOutcome(Feature.TEXT, failure=FAILURE)], LATER)
    assert (whole.status, whole.recognized_at) == (Status.RECOGNIZED, LATER)
    assert whole.failure is None
    assert [delivery.status for delivery in whole.deliveries] == [DeliveryStatus.PENDING]


def test_an_image_with_no_recognized_feature_is_failed_with_the_reason() -> None:
    image = with_outcomes(PENDING, [FeatureOutcome(Feature.LABELS, failure=FAILURE)], LATER)
    assert (image.status, image.failure) == (Status.FAILED, FAILURE)


def test_a_failed_image_that_is_recognized_later_has_no_failure() -> None:
    failed = with_outcomes(PENDING, [FeatureOutcome(Feature.LABELS, failure=FAILURE)], LATER)
    again = with_features_requested(failed, [Feature.LABELS], LATER)
    image = with_outcomes(again, [FeatureOutcome(Feature.LABELS, "3.0")], LATER)
    assert (image.status, image.failure) == (Status.RECOGNIZED, None)
    assert [delivery.number for delivery in image.deliveries] == [1, 2]
    assert image.deliveries[0].status is DeliveryStatus.SUPERSEDED


def test_the_same_image_from_another_url_gets_one_more_source_up_to_the_limit() -> None:
    image = PENDING
    for number in range(MAX_SOURCES + 5):
        image = with_arrival(image, replace(PENDING, sources=(f"https://a.example/{number}",)))
    assert len(image.sources) == MAX_SOURCES


def test_an_image_recognized_before_it_is_registered_gets_its_content() -> None:
    known = recognized(content=None, original=None)
    image = with_arrival(known, recognized(created_at=LATER))
    assert (image.content, image.original) == (RECOGNIZED.content, RECOGNIZED.original)
    assert image.created_at == CREATED_AT


@pytest.mark.parametrize("number", [1, 2])
def test_an_attempt_changes_only_its_own_delivery(number: int) -> None:
    image = with_new_delivery(
        recognized(deliveries=(Delivery(DeliveryStatus.FAILED, 3, number=1),)), LATER
    )
    attempted = with_attempt(image, Delivery(DeliveryStatus.DELIVERED, 1, number=number))
    assert [each.status is DeliveryStatus.DELIVERED for each in attempted.deliveries] == [
        number == 1,
        number == 2,
    ]


def test_a_late_failure_does_not_change_a_successful_delivery() -> None:
    failed = Delivery(DeliveryStatus.FAILED, 3, reason="too late")
    assert with_attempt(RECOGNIZED, failed) == RECOGNIZED


def test_an_attempt_that_fails_after_a_later_delivery_began_is_not_retried() -> None:
    image = with_new_delivery(recognized(deliveries=(Delivery(DeliveryStatus.PENDING, 0),)), LATER)
    late = Delivery(DeliveryStatus.PENDING, 1, reason="HTTP status 500", next_try_at=LATER)
    superseded = replace(late, status=DeliveryStatus.SUPERSEDED, next_try_at=None)
    assert with_attempt(image, late).deliveries[0] == superseded
    sent = replace(late, status=DeliveryStatus.DELIVERED)
    assert with_attempt(image, sent).deliveries[0] == sent


def test_only_the_last_deliveries_are_kept_and_numbering_continues() -> None:
    image = RECOGNIZED
    for _ in range(MAX_DELIVERIES + 3):
        image = with_new_delivery(image, LATER)
    assert len(image.deliveries) == MAX_DELIVERIES
    assert image.deliveries[-1].number == MAX_DELIVERIES + 4
    waiting = [each.status is DeliveryStatus.PENDING for each in image.deliveries]
    assert waiting == [False] * (MAX_DELIVERIES - 1) + [True]


def test_features_keep_one_order_however_they_are_requested() -> None:
    image = with_features_requested(PENDING, [Feature.PROPERTIES, Feature.TEXT], LATER)
    assert [each.name for each in image.features] == [
        Feature.LABELS,
        Feature.TEXT,
        Feature.PROPERTIES,
    ]
    assert image.features[0] == state(Feature.LABELS, Status.PENDING)
