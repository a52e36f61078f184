import threading

import pytest

from chalicelib.integration.circuit_breaker import CircuitBreaker


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def broken(clock: Clock) -> CircuitBreaker:
    """After three failures in a row; it holds for ten seconds."""
    circuit = CircuitBreaker(3, 10, clock)
    for _ in range(3):
        assert circuit.allows()
        circuit.record(failed=True)
    return circuit


def test_failures_that_are_not_in_a_row_stop_nothing() -> None:
    circuit = CircuitBreaker(3, 10, Clock())
    for failed in (True, True, False) * 5:
        assert circuit.allows()
        circuit.record(failed=failed)


def test_after_failures_in_a_row_nothing_is_admitted_for_a_while() -> None:
    clock = Clock()
    circuit = broken(clock)
    assert not circuit.allows()
    clock.now = 9.9
    assert not circuit.allows()


def test_then_one_goes_first_and_its_failure_begins_another_while() -> None:
    clock = Clock()
    circuit = broken(clock)
    clock.now = 10
    assert circuit.allows()
    circuit.record(failed=True)
    assert not circuit.allows()
    clock.now = 20
    assert circuit.allows()


@pytest.mark.parametrize("failed", [True, False])
def test_those_who_wait_while_one_goes_first_share_its_fate(failed: bool) -> None:
    clock = Clock()
    circuit = broken(clock)
    clock.now = 10
    assert circuit.allows()
    admitted: list[bool] = []
    others = [threading.Thread(target=lambda: admitted.append(circuit.allows())) for _ in range(5)]
    for other in others:
        other.start()
    circuit.record(failed=failed)
    for other in others:
        other.join(10)
    assert admitted == [not failed] * 5
