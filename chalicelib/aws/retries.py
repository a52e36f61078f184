"""Makes a call of AWS again while it fails with an error that may be temporary."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

Response = TypeVar("Response")


def with_retries(
    call: Callable[[], Response],
    is_temporary: Callable[[Exception], bool],
    attempts: int,
    pause: Callable[[int], None],
) -> Response:
    """The response of a call, which is made up to `attempts` times, on top of botocore's own.

    `pause` waits after an attempt, by its number from 0. Raises the last error of botocore, and one
    that is not temporary at once.
    """
    for attempt in range(attempts - 1):
        try:
            return call()
        except (BotoCoreError, ClientError) as error:
            if not is_temporary(error):
                raise
        pause(attempt)
    return call()


def back_off(attempt: int, first_seconds: float, longest_seconds: float) -> None:
    """Wait with jitter: up to `first_seconds` after attempt 0, then up to twice that, and so on.

    A single pause is never longer than `longest_seconds`.
    """
    longest = min(first_seconds * 2**attempt, longest_seconds)
    time.sleep(random.uniform(0, longest))  # noqa: S311 - no secret
