"""Lazy initialization, so that the server starts quickly and uses little memory when idle."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Lazily(Generic[T]):
    """A callable that returns one value, created by `make` at the first call; thread-safe."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: list[T] = []
        self._lock = threading.Lock()

    def __call__(self) -> T:
        """The value; `make` runs at the first call, again only if it raised, never concurrently."""
        with self._lock:
            if not self._made:
                self._made.append(self._make())
            return self._made[0]
