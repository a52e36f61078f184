from dataclasses import replace
from datetime import timedelta

from chalicelib.model.changes import (
    FeatureOutcome,
    with_arrival,
    with_features_requested,
    with_new_delivery,
    with_outcomes,
)
from chalicelib.model.findings import Feature
from chalicelib.model.image import Failure, Status
from chalicelib.model.sources import MAX_SOURCES, MAX_SOURCES_BYTES
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


def test_an_image_with_no_recognized_feature_is_failed_with_the_reason() -> None:
    image = with_outcomes(PENDING, [FeatureOutcome(Feature.LABELS, failure=FAILURE)], LATER)
    assert (image.status, image.failure) == (Status.FAILED, FAILURE)


def test_a_failed_image_that_is_recognized_later_has_no_failure() -> None:
    failed = with_outcomes(PENDING, [FeatureOutcome(Feature.LABELS, failure=FAILURE)], LATER)
    again = with_features_requested(failed, [Feature.LABELS], LATER)
    image = with_outcomes(again, [FeatureOutcome(Feature.LABELS, "3.0")], LATER)
    assert (image.status, image.failure) == (Status.RECOGNIZED, None)
    assert image.result_delivery == 2


def test_the_same_image_from_another_url_gets_one_more_source_up_to_the_limit() -> None:
    image = PENDING
    for number in range(MAX_SOURCES + 5):
        image = with_arrival(image, replace(PENDING, sources=(f"https://a.example/{number}",)))
    assert len(image.sources) == MAX_SOURCES


def test_long_urls_of_many_callers_leave_room_in_the_item_and_keep_the_first_source() -> None:
    image = replace(PENDING, sources=("https://owner.example/cat.jpg",))
    for number in range(50):
        url = f"https://a.example/{number}/{chr(0x1F600) * 400}#{chr(0x1F600) * 8000}"
        image = with_arrival(image, replace(PENDING, sources=(url,)))
    assert "https://owner.example/cat.jpg" in image.sources
    assert sum(len(source.encode()) for source in image.sources) <= MAX_SOURCES_BYTES


def test_an_image_recognized_before_it_is_registered_gets_its_content() -> None:
    known = recognized(content=None, original=None)
    image = with_arrival(known, recognized(created_at=LATER))
    assert (image.content, image.original) == (RECOGNIZED.content, RECOGNIZED.original)
    assert image.created_at == CREATED_AT


def test_each_further_delivery_has_the_next_number() -> None:
    image = with_new_delivery(with_new_delivery(RECOGNIZED))
    assert (image.last_delivery, image.result_delivery) == (3, 1)
    again = with_features_requested(image, [Feature.TEXT], LATER)
    assert (again.last_delivery, again.result_delivery) == (4, 4)


def test_features_keep_one_order_however_they_are_requested() -> None:
    image = with_features_requested(PENDING, [Feature.PROPERTIES, Feature.TEXT], LATER)
    assert [each.name for each in image.features] == [
        Feature.LABELS,
        Feature.TEXT,
        Feature.PROPERTIES,
    ]
    assert image.features[0] == state(Feature.LABELS, Status.PENDING)
