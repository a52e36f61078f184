from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.aws.dynamodb_table import from_item, to_item
from chalicelib.catalog import items, keys
from chalicelib.catalog.findings_changes import terms_of
from chalicelib.catalog.items import Row
from chalicelib.model.findings import Feature, Findings, Label
from chalicelib.model.image import LabelSummary
from chalicelib.model.serialization import timestamp
from tests.helpers.images import CAT, CUP, IMAGE_ID, PENDING, RECOGNIZED

LABELS = (LabelSummary("Cat", 98.25), LabelSummary("Coffee Cup", 71.0))


def test_an_image_is_read_back_from_its_item_without_its_findings() -> None:
    row = Row(RECOGNIZED, LABELS, revision=7, leased_until="2026-11-23T01:02:03.000000Z")
    restored = items.row_of(from_item(to_item(items.row_values(row))))
    assert restored == replace(row, image=replace(RECOGNIZED, findings=Findings(), deliveries=()))


def test_a_summary_has_the_labels_names_and_confidences() -> None:
    item = to_item(items.row_values(Row(RECOGNIZED, LABELS)))
    assert items.summary_from_item(item) == RECOGNIZED.summary()


# DynamoDB's smallest positive number is far below any ratio that Rekognition returns.
RATIO = st.floats(0, 1).filter(lambda number: number == 0 or number > 1e-100)


@settings(max_examples=50)
@given(
    st.lists(
        st.builds(
            Label,
            name=st.text(min_size=1),
            confidence=RATIO,
            parents=st.lists(st.text(), max_size=3).map(tuple),
            instances=st.just(CAT.instances),
        ),
        max_size=5,
    )
)
def test_findings_are_read_back_from_the_item_of_their_feature(labels: list[Label]) -> None:
    findings = Findings(labels=tuple(labels))
    item = to_item(items.feature_values(IMAGE_ID, Feature.LABELS, findings))
    assert items.findings_of([from_item(item)]) == findings


def test_the_terms_of_labels_are_their_names_parents_and_aliases() -> None:
    assert terms_of((CAT, CUP)) == {
        "cat": 98.25,
        "coffee cup": 71.0,
        "animal": 98.25,
        "mammal": 98.25,
        "pet": 98.25,
        "kitty": 98.25,
    }


def test_a_label_that_is_also_a_parent_has_its_own_confidence() -> None:
    assert terms_of((CAT, Label("Animal", 99.5)))["animal"] == 99.5


def test_only_a_pending_image_is_in_the_index_of_waiting_images() -> None:
    assert "waiting_shard" in items.row_values(Row(PENDING))
    assert "waiting_shard" not in items.row_values(Row(RECOGNIZED))


@given(st.floats(0, 100), st.floats(0, 100))
def test_confidence_keys_sort_like_the_confidences(one: float, other: float) -> None:
    if one <= other:
        assert keys.confidence_key(one) <= keys.confidence_key(other)


def test_label_keys_ignore_case_and_extra_spaces() -> None:
    assert keys.label_key("  COFFEE   Cup ") == keys.label_key("Coffee Cup") == "coffee cup"


def test_timestamps_sort_like_their_times_in_any_time_zone() -> None:
    moment = datetime(2026, 11, 23, 12, 0, 0, 0, tzinfo=UTC)
    east = moment.astimezone(timezone(timedelta(hours=9)))
    assert timestamp(moment) == timestamp(east) == "2026-11-23T12:00:00.000000Z"
    later = moment + timedelta(microseconds=1)
    assert timestamp(moment) < timestamp(later)


@pytest.mark.parametrize("first_digit", "0123456789abcdef")
def test_every_image_is_in_a_shard(first_digit: str) -> None:
    assert keys.shard_of(first_digit + IMAGE_ID[1:]) in keys.INDEX_SHARDS
