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


def test_what_is_known_is_not_asked_again() -> None:
    assert with_features_requested(RECOGNIZED, [Feature.LABELS], LATER) == RECOGNIZED


def test_what_another_version_of_the_model_recognized_than_the_latest_is_asked_again() -> None:
    latest = {Feature.LABELS: "3.1", Feature.TEXT: "7.0"}
    again = with_features_requested(RECOGNIZED, [Feature.LABELS], LATER, latest)
    assert again.pending == (Feature.LABELS,)
    assert again.result_delivery == 2
    image = with_outcomes(again, [FeatureOutcome(Feature.LABELS, "3.1")], LATER)
    assert with_features_requested(image, [Feature.LABELS], LATER, latest) == image


def test_what_came_without_a_version_is_not_asked_again() -> None:
    image = with_outcomes(PENDING, [FeatureOutcome(Feature.LABELS)], LATER)
    assert with_features_requested(image, [Feature.LABELS], LATER, {Feature.LABELS: "3.1"}) == image
    assert with_features_requested(RECOGNIZED, [Feature.LABELS], LATER, {}) == RECOGNIZED


def test_a_feature_that_is_not_asked_for_stays_although_there_is_a_newer_model() -> None:
    image = with_features_requested(RECOGNIZED, [Feature.TEXT], LATER, {Feature.LABELS: "3.1"})
    assert image.pending == (Feature.TEXT,)


def test_a_further_feature_is_pending_and_begins_another_delivery() -> None:
    image = with_features_requested(RECOGNIZED, [Feature.TEXT, Feature.LABELS], LATER)
    assert image.pending == (Feature.TEXT,)
    assert (image.status, image.result_delivery) == (Status.RECOGNIZED, 2)
    assert image.features[0] == RECOGNIZED.features[0]


def test_features_that_are_asked_while_others_are_pending_are_of_the_same_result() -> None:
    image = with_features_requested(PENDING, [Feature.TEXT], LATER)
    assert image.pending == (Feature.LABELS, Feature.TEXT)
    assert image.result_delivery == 1


def test_what_failed_is_asked_again() -> None:
    failed = with_outcomes(PENDING, [FeatureOutcome(Feature.LABELS, failure=FAILURE)], LATER)
    assert with_features_requested(failed, [Feature.LABELS], LATER).pending == (Feature.LABELS,)


def test_an_image_is_pending_until_all_that_was_asked_came_out() -> None:
    image = with_features_requested(PENDING, [Feature.TEXT], LATER)
    half = with_outcomes(image, [FeatureOutcome(Feature.LABELS, "3.0")], LATER)
    assert (half.status, half.recognized_at, half.deliveries) == (Status.PENDING, None, ())
    whole = with_outcomes(half, [FeatureOutcome(Feature.TEXT, failure=FAILURE)], LATER)
    assert (whole.status, whole.recognized_at) == (Status.RECOGNIZED, LATER)
    assert whole.failure is None
    assert [delivery.status for delivery in whole.deliveries] == [DeliveryStatus.PENDING]


def test_an_image_of_which_nothing_was_recognized_is_failed_with_the_reason() -> None:
    image = with_outcomes(PENDING, [FeatureOutcome(Feature.LABELS, failure=FAILURE)], LATER)
    assert (image.status, image.failure) == (Status.FAILED, FAILURE)


def test_an_image_that_failed_and_is_recognized_after_all_has_no_failure() -> None:
    failed = with_outcomes(PENDING, [FeatureOutcome(Feature.LABELS, failure=FAILURE)], LATER)
    again = with_features_requested(failed, [Feature.LABELS], LATER)
    image = with_outcomes(again, [FeatureOutcome(Feature.LABELS, "3.0")], LATER)
    assert (image.status, image.failure) == (Status.RECOGNIZED, None)
    assert [delivery.number for delivery in image.deliveries] == [1, 2]
    assert image.deliveries[0].status is DeliveryStatus.SUPERSEDED


def test_the_same_picture_from_another_url_has_one_more_source_up_to_a_limit() -> None:
    image = PENDING
    for number in range(MAX_SOURCES + 5):
        image = with_arrival(image, replace(PENDING, sources=(f"https://a.example/{number}",)))
    assert len(image.sources) == MAX_SOURCES


def test_an_image_that_was_recognized_before_it_was_registered_gets_its_content() -> None:
    known = recognized(content=None, original=None)
    image = with_arrival(known, recognized(created_at=LATER))
    assert (image.content, image.original) == (RECOGNIZED.content, RECOGNIZED.original)
    assert image.created_at == CREATED_AT


@pytest.mark.parametrize("number", [1, 2])
def test_a_try_changes_its_own_delivery_alone(number: int) -> None:
    image = with_new_delivery(
        recognized(deliveries=(Delivery(DeliveryStatus.FAILED, 3, number=1),)), LATER
    )
    tried_once = with_attempt(image, Delivery(DeliveryStatus.DELIVERED, 1, number=number))
    assert [each.status is DeliveryStatus.DELIVERED for each in tried_once.deliveries] == [
        number == 1,
        number == 2,
    ]


def test_a_late_try_does_not_take_back_that_a_delivery_succeeded() -> None:
    failed = Delivery(DeliveryStatus.FAILED, 3, reason="too late")
    assert with_attempt(RECOGNIZED, failed) == RECOGNIZED


def test_a_try_that_fails_while_a_later_delivery_begins_has_no_next() -> None:
    image = with_new_delivery(recognized(deliveries=(Delivery(DeliveryStatus.PENDING, 0),)), LATER)
    late = Delivery(DeliveryStatus.PENDING, 1, reason="HTTP status 500", next_try_at=LATER)
    superseded = replace(late, status=DeliveryStatus.SUPERSEDED, next_try_at=None)
    assert with_attempt(image, late).deliveries[0] == superseded
    sent = replace(late, status=DeliveryStatus.DELIVERED)
    assert with_attempt(image, sent).deliveries[0] == sent


def test_only_the_last_deliveries_are_remembered_and_their_numbers_go_on() -> None:
    image = RECOGNIZED
    for _ in range(MAX_DELIVERIES + 3):
        image = with_new_delivery(image, LATER)
    assert len(image.deliveries) == MAX_DELIVERIES
    assert image.deliveries[-1].number == MAX_DELIVERIES + 4
    waiting = [each.status is DeliveryStatus.PENDING for each in image.deliveries]
    assert waiting == [False] * (MAX_DELIVERIES - 1) + [True]


def test_features_are_told_in_one_order_however_they_are_asked() -> None:
    image = with_features_requested(PENDING, [Feature.PROPERTIES, Feature.TEXT], LATER)
    assert [each.name for each in image.features] == [
        Feature.LABELS,
        Feature.TEXT,
        Feature.PROPERTIES,
    ]
    assert image.features[0] == state(Feature.LABELS, Status.PENDING)
