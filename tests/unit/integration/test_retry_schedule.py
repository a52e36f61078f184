from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.integration.retry_schedule import (
    LONGEST_PAUSE_SECONDS,
    RetrySchedule,
    retry_after_seconds,
)
from chalicelib.settings import DELIVERY_PAUSES_SECONDS

NOW = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)
SCHEDULE = RetrySchedule(tuple(float(pause) for pause in DELIVERY_PAUSES_SECONDS.split(",")))


def test_pauses_grow_from_seconds_to_hours_and_last_about_a_day() -> None:
    assert list(SCHEDULE.pauses) == sorted(SCHEDULE.pauses)
    assert SCHEDULE.pauses[0] <= 10
    assert 20 * 3600 <= sum(SCHEDULE.pauses) <= 28 * 3600


@given(st.integers(1, 1000), st.none() | st.floats(0, 1e6))
def test_a_pause_is_never_longer_than_sqs_takes_nor_shorter_than_asked(
    tries: int, wished: float | None
) -> None:
    pause = SCHEDULE.pause_seconds(tries, wished)
    assert 0 <= pause <= LONGEST_PAUSE_SECONDS < 43_200
    assert pause >= min(wished or 0, LONGEST_PAUSE_SECONDS)


def test_results_that_failed_together_do_not_come_back_together() -> None:
    assert len({SCHEDULE.pause_seconds(3) for _ in range(20)}) > 1
    assert len({SCHEDULE.pause_seconds(1, 600) for _ in range(20)}) > 1


def test_after_the_last_pause_it_is_repeated() -> None:
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
        ("99999999999999999999", LONGEST_PAUSE_SECONDS),
        ("Mon, 23 Nov 9999 01:03:03 GMT", LONGEST_PAUSE_SECONDS),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("\u0665", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(
    header: str | None, seconds: float | None
) -> None:
    assert retry_after_seconds(header, NOW) == seconds


@given(st.text())
def test_no_header_is_too_strange(header: str) -> None:
    seconds = retry_after_seconds(header, NOW)
    assert seconds is None or 0 <= seconds <= LONGEST_PAUSE_SECONDS
