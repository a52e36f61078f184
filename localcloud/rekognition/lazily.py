"""What is made at its first use: the server starts quickly and idles small."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Lazily(Generic[T]):
    """Calling it gives the one thing that `make` makes; safe to call from many threads."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: list[T] = []
        self._lock = threading.Lock()

    def __call__(self) -> T:
        """The thing; whoever comes first makes it, others wait. A failure is not remembered."""
        with self._lock:
            if not self._made:
                self._made.append(self._make())
            return self._made[0]
