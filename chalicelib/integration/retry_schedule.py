"""When to retry: growing pauses with jitter, and the server's Retry-After header."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# SQS hides a message for at most 43,200 seconds after its receive, and the function that makes the
# attempt may use up to 60 of them.
MAX_PAUSE_SECONDS = 43_000

# Spreads the retries of results that failed together.
_JITTER = 0.2


@dataclass(frozen=True)
class RetrySchedule:
    """`pauses` are the seconds after the first, second, … attempt; the last one repeats."""

    pauses: tuple[float, ...]

    def pause_seconds(self, attempts: int, retry_after_seconds: float | None = None) -> float:
        """The pause in seconds after `attempts` attempts (1 or more), with 20% jitter.

        It is never shorter than `retry_after_seconds`, nor longer than MAX_PAUSE_SECONDS.
        """
        scheduled = self.pauses[min(attempts, len(self.pauses)) - 1]
        pause = scheduled * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret
        if retry_after_seconds is not None:
            requested = retry_after_seconds * random.uniform(1, 1 + _JITTER)  # noqa: S311
            pause = max(pause, requested)
        return min(pause, MAX_PAUSE_SECONDS)


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """The seconds from `now` in a Retry-After header, which is a number of seconds or an HTTP date.

    The value is 0 to MAX_PAUSE_SECONDS; None if the header is missing or invalid.
    """
    text = (header or "").strip()
    if text.isdecimal() and text.isascii():
        return min(float(text[:9]), MAX_PAUSE_SECONDS)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:  # `-0000`: UTC, in an unknown time zone
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0), MAX_PAUSE_SECONDS)
