"""One attempt to deliver, against servers that a third party could be."""

import time
from pathlib import Path

import pytest

from chalicelib.integration.circuit_breaker import CircuitBreaker
from chalicelib.integration.third_party import Attempt, AttemptOutcome, ThirdParty
from tests.helpers.internet import Internet
from tests.helpers.servers import (
    Script,
    keeps_sending,
    redirect_response,
    sends,
    sends_then_hangs,
    serving,
)

SECONDS = 0.5
SLACK_SECONDS = 1.0
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


class Secrets:
    """The one secret of the tests."""

    def all(self) -> tuple[str, ...]:
        return ("whsec_dGVzdHMgdGVzdHMgdGVzdHMgdGVzdHM=",)


def attempt(url: str = "http://receiver.example/results?key=1") -> Attempt:
    third_party = ThirdParty(url, Secrets(), CircuitBreaker(5, 30), SECONDS)  # type: ignore[arg-type]
    return third_party.post(b"<Result/>", "msg_1", bypass_circuit_breaker=False)


def timed_attempt() -> Attempt:
    started = time.monotonic()
    result = attempt()
    assert time.monotonic() - started < SECONDS + SLACK_SECONDS
    return result


def test_the_request_is_signed_and_minimal(internet: Internet) -> None:
    with serving(sends(NO_CONTENT)) as receiver:
        internet.serve("receiver.example", receiver)
        assert attempt() == Attempt(AttemptOutcome.DELIVERED, status_code=204)
        lines = receiver.traffic()[1].decode().split("\r\n")
    assert lines[0] == "POST /results?key=1 HTTP/1.1"
    names = [line.partition(":")[0] for line in lines[1:] if line]
    assert sorted(names[:9]) == [
        "Accept-Encoding",
        "Connection",
        "Content-Length",
        "Content-Type",
        "Host",
        "User-Agent",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
    ]


def test_slow_dns_ends_by_the_deadline(internet: Internet) -> None:
    internet.names.zone["receiver.example"] = None
    result = timed_attempt()
    assert result.outcome is AttemptOutcome.TRY_AGAIN
    assert result.status_code is None


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(sends_then_hangs(), id="silent"),
        pytest.param(
            keeps_sending(b"HTTP/1.1 204 No Content\r\nX: ", b"x", 0.02), id="dripping headers"
        ),
        pytest.param(
            keeps_sending(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.02), id="endless continue"
        ),
    ],
)
def test_a_slow_receiver_ends_by_the_deadline(internet: Internet, script: Script) -> None:
    with serving(script) as receiver:
        internet.serve("receiver.example", receiver)
        assert timed_attempt().outcome is AttemptOutcome.TRY_AGAIN


def test_an_error_keeps_its_status_when_its_body_never_comes(internet: Internet) -> None:
    with serving(sends_then_hangs(b"HTTP/1.1 400 No\r\nContent-Length: 5\r\n\r\n")) as receiver:
        internet.serve("receiver.example", receiver)
        assert timed_attempt() == Attempt(AttemptOutcome.REFUSED, "HTTP status 400", 400)


def test_a_redirect_is_refused_and_not_followed(internet: Internet) -> None:
    with serving(sends(redirect_response("http://elsewhere.example/"))) as receiver:
        internet.serve("receiver.example", receiver)
        assert attempt() == Attempt(AttemptOutcome.REFUSED, "HTTP status 302", 302)
    assert not internet.names.lookups["elsewhere.example"]


def test_nothing_of_the_environment_takes_part(
    internet: Internet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://10.0.0.1:80")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine receiver.example login us password ours\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(sends(NO_CONTENT)) as receiver:
        internet.serve("receiver.example", receiver)
        attempt("http://receiver.example/")
        assert b"Authorization" not in receiver.traffic()[1]
    assert internet.guarded.traffic() == (0, b"")
