"""Leaving a server alone that failed several times in a row.

Each warm function knows only what it saw itself, which is enough: there are at most a handful of
them at a time (app.py's maximum_concurrency), and nothing has to be kept anywhere.
"""

import threading
import time
from collections.abc import Callable

PROBE_SECONDS = 30  # longer than any one request may take


class CircuitBreaker:
    """Counts failures in a row; at `most_failures` it allows one request each `hold_seconds`."""

    def __init__(
        self,
        most_failures: int,
        hold_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most_failures = most_failures
        self._hold_seconds = hold_seconds
        self._clock = clock
        self._failures = 0
        self._held_until = float("-inf")
        self._is_probing = False
        self._changed = threading.Condition()

    def allows(self) -> bool:
        """Whether a request may be sent now; its outcome is then to be noted.

        After the pause one request goes first, and those that come meanwhile wait to see what
        became of it, so that the end of an outage is not lost on them.
        """
        with self._changed:
            if self._failures >= self._most_failures and self._is_probing:
                self._changed.wait_for(lambda: not self._is_probing, PROBE_SECONDS)
            if self._failures < self._most_failures:
                return True
            if self._is_probing or self._clock() < self._held_until:
                return False
            self._is_probing = True
            return True

    def record(self, *, failed: bool) -> None:
        """What became of a request."""
        with self._changed:
            self._is_probing = False
            self._failures = self._failures + 1 if failed else 0
            if self._failures >= self._most_failures:
                self._held_until = self._clock() + self._hold_seconds
            self._changed.notify_all()
