"""The time by which a whole operation must finish, over all of its phases."""

import time
from dataclasses import dataclass

from chalicelib.transport.errors import DeadlinePassed


@dataclass(frozen=True)
class Deadline:
    """A point in time that all phases of an operation share.

    `expires_at` is in seconds on the monotonic clock. `seconds` is the whole limit, for messages.
    """

    expires_at: float
    seconds: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """A deadline `seconds` from now."""
        return cls(time.monotonic() + seconds, seconds)

    def remaining_seconds(self) -> float:
        """The seconds left, always more than 0; raises DeadlinePassed if none are left."""
        remaining = self.expires_at - time.monotonic()
        if remaining <= 0:
            raise DeadlinePassed(f"no complete response within {self.seconds:g} seconds")
        return remaining
