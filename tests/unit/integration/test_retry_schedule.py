from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.integration.retry_schedule import (
    MAX_PAUSE_SECONDS,
    RetrySchedule,
    retry_after_seconds,
)
from chalicelib.settings import DELIVERY_PAUSES_SECONDS

NOW = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)
SCHEDULE = RetrySchedule(tuple(float(pause) for pause in DELIVERY_PAUSES_SECONDS.split(",")))


def test_pauses_grow_from_seconds_to_hours_and_sum_to_about_a_day() -> None:
    assert list(SCHEDULE.pauses) == sorted(SCHEDULE.pauses)
    assert SCHEDULE.pauses[0] <= 10
    assert 20 * 3600 <= sum(SCHEDULE.pauses) <= 28 * 3600


@given(st.integers(1, 1000), st.none() | st.floats(0, 1e6))
def test_a_pause_is_within_sqss_limit_and_not_shorter_than_retry_after(
    attempts: int, retry_after: float | None
) -> None:
    pause = SCHEDULE.pause_seconds(attempts, retry_after)
    assert 0 <= pause <= MAX_PAUSE_SECONDS < 43_200
    assert pause >= min(retry_after or 0, MAX_PAUSE_SECONDS)


def test_jitter_spreads_the_retries_of_results_that_failed_together() -> None:
    assert len({SCHEDULE.pause_seconds(3) for _ in range(20)}) > 1
    assert len({SCHEDULE.pause_seconds(1, 600) for _ in range(20)}) > 1


def test_the_last_pause_repeats() -> None:
    assert 16 <= RetrySchedule((5, 20)).pause_seconds(9) <= 24


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("Mon, 23 Nov 2026 01:03:03 GMT", 60),
        ("Mon, 23 Nov 2026 01:00:00 GMT", 0),
        ("Mon, 23 Nov 2026 01:03:03 -0000", 60),
        ("99999999999999999999", MAX_PAUSE_SECONDS),
        ("Mon, 23 Nov 9999 01:03:03 GMT", MAX_PAUSE_SECONDS),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("\u0665", None),
    ],
)
def test_retry_after_is_a_number_of_seconds_or_a_date(
    header: str | None, seconds: float | None
) -> None:
    assert retry_after_seconds(header, NOW) == seconds


@given(st.text())
def test_any_text_in_the_header_gives_a_valid_pause_or_none(header: str) -> None:
    seconds = retry_after_seconds(header, NOW)
    assert seconds is None or 0 <= seconds <= MAX_PAUSE_SECONDS
