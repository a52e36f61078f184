import threading

import pytest

from chalicelib.integration.circuit_breaker import CircuitBreaker


class Clock:
    """A clock that the test sets, in seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def opened(clock: Clock) -> CircuitBreaker:
    """A circuit breaker that three failures in a row opened for ten seconds."""
    circuit = CircuitBreaker(3, 10, clock)
    for _ in range(3):
        assert circuit.allows()
        circuit.record(failed=True)
    return circuit


def test_failures_that_are_not_in_a_row_do_not_open_it() -> None:
    circuit = CircuitBreaker(3, 10, Clock())
    for failed in (True, True, False) * 5:
        assert circuit.allows()
        circuit.record(failed=failed)


def test_failures_in_a_row_open_it_for_a_while() -> None:
    clock = Clock()
    circuit = opened(clock)
    assert not circuit.allows()
    clock.now = 9.9
    assert not circuit.allows()


def test_a_failed_probe_opens_it_for_another_while() -> None:
    clock = Clock()
    circuit = opened(clock)
    clock.now = 10
    assert circuit.allows()
    circuit.record(failed=True)
    assert not circuit.allows()
    clock.now = 20
    assert circuit.allows()


@pytest.mark.parametrize("failed", [True, False])
def test_requests_that_wait_for_a_probe_get_its_outcome(failed: bool) -> None:
    clock = Clock()
    circuit = opened(clock)
    clock.now = 10
    assert circuit.allows()
    allowed: list[bool] = []
    others = [threading.Thread(target=lambda: allowed.append(circuit.allows())) for _ in range(5)]
    for other in others:
        other.start()
    circuit.record(failed=failed)
    for other in others:
        other.join(10)
    assert allowed == [not failed] * 5
