"""When to try again: pauses that grow, jitter, and the server's own wish (Retry-After)."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# SQS hides a message for at most 43,200 seconds after it was received, of which the function that
# tries may use up to 60.
LONGEST_PAUSE_SECONDS = 43_000

# Many results that failed together should not come back together.
_JITTER = 0.2


@dataclass(frozen=True)
class RetrySchedule:
    """`pauses` are the seconds after the first, second, … try; the last stands for all later."""

    pauses: tuple[float, ...]

    def pause_seconds(self, tries: int, retry_after_seconds: float | None = None) -> float:
        """How long to wait after so many tries; never shorter than the server asked for."""
        scheduled = self.pauses[min(tries, len(self.pauses)) - 1]
        pause = scheduled * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret
        if retry_after_seconds is not None:
            wished = retry_after_seconds * random.uniform(1, 1 + _JITTER)  # noqa: S311
            pause = max(pause, wished)
        return min(pause, LONGEST_PAUSE_SECONDS)


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """A Retry-After header, a number of seconds or an HTTP date, as seconds from now.

    None where there is none that can be read. At most LONGEST_PAUSE_SECONDS.
    """
    text = (header or "").strip()
    if text.isdecimal() and text.isascii():
        return min(float(text[:9]), LONGEST_PAUSE_SECONDS)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:  # `-0000`: UTC, of an unknown place
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0), LONGEST_PAUSE_SECONDS)
