"""Attacks on fetch: counts them and prints the counts at the end of the run."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from chalicelib.intake.fetching.fetch import fetch
from chalicelib.intake.fetching.limits import FetchLimits
from chalicelib.model.errors import FetchError
from tests.helpers.internet import Internet


@dataclass
class Tally:
    attempted: int = 0
    refused: int = 0
    connections: int = 0
    received: int = 0
    by_code: dict[str, int] = field(default_factory=dict)


TALLY = Tally()

Attack = Callable[..., FetchError]


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch) -> Iterator[Internet]:
    internet = Internet()
    internet.install(monkeypatch)
    yield internet
    monkeypatch.undo()
    internet.close()


@pytest.fixture
def attack(internet: Internet) -> Attack:
    """Fetches a URL; asserts that it is refused and that the guarded server receives nothing."""

    def attack(url: str, limits: FetchLimits | None = None) -> FetchError:
        TALLY.attempted += 1
        refusal: FetchError | None = None
        try:
            fetched = fetch(url, limits or FetchLimits(deadline_seconds=10))
        except FetchError as error:
            refusal = error
        connections, received = internet.guarded.traffic()
        TALLY.connections += connections
        TALLY.received += len(received)
        assert (connections, received) == (0, b""), f"{url} reached the guarded server"
        assert refusal is not None, f"{url} was fetched: {fetched.content[:60]!r}"
        TALLY.refused += 1
        code = type(refusal).__name__
        TALLY.by_code[code] = TALLY.by_code.get(code, 0) + 1
        return refusal

    return attack


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not TALLY.attempted:
        return
    terminalreporter.section("attacks on fetch")
    terminalreporter.write_line(
        f"{TALLY.attempted} attacks, {TALLY.refused} refused; the guarded servers received "
        f"{TALLY.connections} connections and {TALLY.received} bytes"
    )
    counts = sorted(TALLY.by_code.items(), key=lambda entry: -entry[1])
    terminalreporter.write_line(", ".join(f"{count} {code}" for code, count in counts))
