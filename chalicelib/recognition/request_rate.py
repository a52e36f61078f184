"""Keeps the requests of one function instance below its share of a quota per second.

The instances share nothing: each has its share, so that all of them together keep the quota.
"""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from typing import TypeVar

from chalicelib.aws.sqs_queue import PutBack

PATIENCE_SECONDS = 5.0
HOLD_SECONDS = 60.0
_PAUSE_SECONDS = 1.0  # the quota is one of each second

Response = TypeVar("Response")


class Throttled(PutBack):
    """Raised when the quota of requests per second is used up, perhaps by others.

    The message is put back without counting the receive.
    """


class RequestRate:
    """Begins at most `share` requests of each operation in any second, over all threads.

    It is a bucket of tokens for each operation: a request takes one, which is back a second later.
    A share is rounded down, because two instances could use the rest of it in the same second; a
    share below 1 is one token that is back after 1 / share seconds.

    A throttled request is made again for as long as `patience_seconds`. After that the operation is
    left alone for `hold_seconds`, so that a function whose quota others use up does not wait, which
    Lambda would bill. `clock` returns seconds and `sleep` takes them, as those of `time` do.
    """

    def __init__(
        self,
        share: float,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        hold_seconds: float = HOLD_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        tokens = max(int(share), 1)
        self._period = max(1.0, 1 / share)
        self._patience_seconds = patience_seconds
        self._hold_seconds = hold_seconds
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        # When the last `tokens` requests of each operation began: the oldest is back first.
        self._begun: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=tokens))
        self._not_before: defaultdict[str, float] = defaultdict(lambda: float("-inf"))

    def make(self, operation: str, request: Callable[[], Response]) -> Response:
        """Make a request when its turn comes; again, while it raises Throttled and patience lasts.

        Raises Throttled after that, and without a request if there is no turn within the patience.
        """
        give_up_at = self._clock() + self._patience_seconds
        while True:
            self._sleep(max(self.reserve(operation, give_up_at) - self._clock(), 0))
            try:
                return request()
            except Throttled as error:
                is_patient = self._clock() + _PAUSE_SECONDS <= give_up_at
                pause = _PAUSE_SECONDS if is_patient else self._hold_seconds
                self._pause(operation, pause)
                if not is_patient:
                    raise Throttled(f"{operation} was throttled: {error}", pause) from error

    def reserve(self, operation: str, latest: float) -> float:
        """Take a token, and return the time at which the request may begin.

        Raises Throttled, and takes none, if that would be later than now and `latest`.
        """
        with self._lock:
            now = self._clock()
            begun, not_before = self._begun[operation], self._not_before[operation]
            token_is_back = begun[0] + self._period if len(begun) == begun.maxlen else now
            begins_at = max(now, not_before, token_is_back)
            if begins_at > max(now, latest):
                wait = begins_at - now
                raise Throttled(f"{operation} may be asked again in {wait:.1f} s", wait)
            begun.append(begins_at)
            return begins_at

    def _pause(self, operation: str, seconds: float) -> None:
        with self._lock:
            until = self._clock() + seconds
            self._not_before[operation] = max(self._not_before[operation], until)
