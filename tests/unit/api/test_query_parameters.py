from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.api.query_parameters import image_page, label_page
from chalicelib.catalog.cursors import read_cursor, write_cursor
from chalicelib.catalog.query import PageRequest
from chalicelib.model.errors import InvalidRequest
from chalicelib.model.image import Status


def test_an_empty_query_requests_the_default_page() -> None:
    assert image_page({}) == PageRequest(order="newest", limit=20)


def test_parameters_become_the_page_request() -> None:
    parameters = {
        "label": ["Cat", "  INDOORS ", "cat"],
        "min_confidence": ["80.5"],
        "limit": ["100"],
        "cursor": ["abc"],
    }
    assert image_page(parameters) == PageRequest(
        labels=("cat", "indoors"), min_confidence=80.5, order="best", limit=100, cursor="abc"
    )


def test_times_in_any_time_zone_become_utc() -> None:
    parameters = {
        "created_after": ["2026-11-23T12:00:00Z"],
        "created_before": ["2026-11-23T14:30:00 01:00"],  # a plus sign that is not percent-encoded
        "status": ["FAILED"],
    }
    request = image_page(parameters)
    assert request.created_after == datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert request.created_before == datetime(2026, 11, 23, 13, 30, tzinfo=UTC)
    assert request.status is Status.FAILED


def test_a_label_query_defaults_to_best_first_and_a_time_range_to_newest_first() -> None:
    assert image_page({"label": ["Cat"]}).order == "best"
    with_a_time = {"label": ["Cat"], "created_before": ["2026-11-23T12:00:00Z"]}
    assert image_page(with_a_time).order == "newest"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"limit": ["0"]}, "from 1 to 100"),
        ({"limit": ["101"]}, "from 1 to 100"),
        ({"limit": ["1.5"]}, "whole number"),
        ({"limit": ["many"]}, "'many'"),
        ({"limit": ["1", "2"]}, "2 times"),
        ({"label": ["Cat"], "min_confidence": ["101"]}, "from 0 to 100"),
        ({"label": ["Cat"], "min_confidence": ["nan"]}, "from 0 to 100"),
        ({"min_confidence": ["50"]}, "label"),
        ({"label": [" "]}, "label's name"),
        ({"label": ["x" * 257]}, "256"),
        ({"label": list("abcdef")}, "at most 5"),
        ({"status": ["failed"]}, "PENDING, RECOGNIZED, FAILED"),
        ({"order": ["oldest"]}, "newest or best"),
        ({"order": ["best"]}, "label"),
        (
            {"label": ["Cat"], "order": ["best"], "created_after": ["2026-11-23T12:00:00Z"]},
            "order=best",
        ),
        ({"created_after": ["yesterday"]}, "'yesterday'"),
        ({"created_after": ["2026-11-23T12:00:00"]}, "zone"),
        ({"created_after": ["0001-01-01T00:00:00+14:00"]}, "time zone"),
        (
            {
                "created_after": ["2026-11-23T14:00:00+02:00"],
                "created_before": ["2026-11-23T12:00:00Z"],
            },
            r"'2026-11-23T14:00:00\+02:00' and created_before is '2026-11-23T12:00:00Z'",
        ),
        ({"label": ["\U0001f600" * 251]}, "1000 bytes"),
        ({"label": ["\u0390" * 200]}, "1000 bytes"),  # folds to three characters of two bytes
        ({"label": ["Cat", "\ud800"]}, "label's name"),
        ({"lable": ["Cat"]}, "lable"),
    ],
)
def test_an_invalid_parameter_is_refused_with_the_allowed_values(
    parameters: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(InvalidRequest, match=message):
        image_page(parameters)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"limit": ["1001"]}, "1000"),
        ({"label": ["Cat"]}, "prefix, limit, cursor"),
        ({"prefix": ["x" * 257]}, "256 characters"),
        ({"prefix": ["\u0390" * 200]}, "1000 bytes"),
        ({"prefix": ["\ud800"]}, "start of a label's name"),
    ],
)
def test_an_invalid_label_page_is_refused(parameters: dict[str, list[str]], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        label_page(parameters)


@given(st.text(), st.text(st.characters(codec="utf-8")))
def test_a_cursor_round_trips_and_works_for_its_own_query_only(fingerprint: str, key: str) -> None:
    cursor = write_cursor("f" + fingerprint, key)
    assert read_cursor(cursor, "f" + fingerprint) == key
    with pytest.raises(InvalidRequest, match="another query"):
        read_cursor(cursor, "g")


@given(st.text())
def test_any_text_that_is_not_a_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="cursor"):
        read_cursor(text, "f")


def test_only_the_limit_may_change_between_pages() -> None:
    request = image_page({"label": ["Cat"]})
    assert request.fingerprint() == replace(request, limit=7, cursor="c").fingerprint()
    for other in ({"label": ["Dog"]}, {"label": ["Cat"], "min_confidence": ["1"]}, {}):
        assert request.fingerprint() != image_page(other).fingerprint()
