"""One moment by which everything that a request does has to be done."""

import time
from dataclasses import dataclass

from chalicelib.transport.errors import DeadlinePassed


@dataclass(frozen=True)
class Deadline:
    """`moment` is on the monotonic clock; `seconds` is what was granted, for messages."""

    moment: float
    seconds: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """The deadline that is this many seconds from now."""
        return cls(time.monotonic() + seconds, seconds)

    def remaining_seconds(self) -> float:
        """The time left, always more than 0; raises DeadlinePassed where none is."""
        remaining = self.moment - time.monotonic()
        if remaining <= 0:
            raise DeadlinePassed(f"no complete response within {self.seconds:g} seconds")
        return remaining
