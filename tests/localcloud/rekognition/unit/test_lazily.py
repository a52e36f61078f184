import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from localcloud.rekognition.lazily import Lazily


def test_the_value_is_made_once_for_all_threads_and_at_its_first_use() -> None:
    made: list[object] = []
    all_there = threading.Barrier(8)

    def make() -> object:
        made.append(object())
        return made[-1]

    def use(_number: int) -> object:
        all_there.wait(10)
        return thing()

    thing = Lazily(make)
    assert made == []
    with ThreadPoolExecutor(8) as threads:
        used = set(threads.map(use, range(8)))
    assert used == set(made)
    assert len(made) == 1


def test_a_failure_is_raised_and_the_next_use_tries_again() -> None:
    outcomes = iter([ValueError("not yet"), None])

    def make() -> str:
        if problem := next(outcomes):
            raise problem
        return "made"

    thing = Lazily(make)
    with pytest.raises(ValueError, match="not yet"):
        thing()
    assert thing() == "made"
