"""One moment in time that everything a fetch does has to be done by."""

import time
from dataclasses import dataclass

from chalicelib.model.errors import FetchTimedOut


@dataclass(frozen=True)
class Deadline:
    """`moment` is on the monotonic clock; `seconds` is what was granted, for the message."""

    moment: float
    seconds: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """The deadline that is so many seconds from now."""
        return cls(time.monotonic() + seconds, seconds)

    def remaining_seconds(self) -> float:
        """What is left, always more than 0; raises FetchTimedOut where nothing is."""
        remaining = self.moment - time.monotonic()
        if remaining <= 0:
            raise self.passed()
        return remaining

    def passed(self) -> FetchTimedOut:
        """The error to raise when a wait until the deadline was in vain."""
        return FetchTimedOut(
            f"The image was not here after {self.seconds:g} seconds, the limit for its name, "
            "connection, redirects and body together. Try again later, or send the address of a "
            "faster server."
        )
