"""A circuit breaker: stops sending requests to a server after several failures in a row.

Each warm function has its own circuit breaker and shares no state. That suffices, because app.py's
maximum_concurrency allows only a few functions at a time.
"""

import threading
import time
from collections.abc import Callable

PROBE_SECONDS = 30  # longer than any request may take


class CircuitBreaker:
    """Opens after `max_failures` failures in a row, then allows one probe per `open_seconds`.

    A successful request closes it. `clock` returns seconds, as time.monotonic does. Thread-safe.
    """

    def __init__(
        self,
        max_failures: int,
        open_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_failures = max_failures
        self._open_seconds = open_seconds
        self._clock = clock
        self._failures = 0
        self._open_until = float("-inf")
        self._is_probing = False
        self._changed = threading.Condition()

    def allows(self) -> bool:
        """Whether to send a request now. If True, the caller must `record` the outcome.

        When `open_seconds` have passed, the first caller may send a probe. Other callers block
        until the probe's outcome is known, or for PROBE_SECONDS, so that they notice the end of an
        outage.
        """
        with self._changed:
            if self._failures >= self._max_failures and self._is_probing:
                self._changed.wait_for(lambda: not self._is_probing, PROBE_SECONDS)
            if self._failures < self._max_failures:
                return True
            if self._is_probing or self._clock() < self._open_until:
                return False
            self._is_probing = True
            return True

    def record(self, *, failed: bool) -> None:
        """Record the outcome of a request."""
        with self._changed:
            self._is_probing = False
            self._failures = self._failures + 1 if failed else 0
            if self._failures >= self._max_failures:
                self._open_until = self._clock() + self._open_seconds
            self._changed.notify_all()
