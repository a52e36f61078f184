"""A request ends by its deadline, in whichever phase the other side drips, stalls or stops."""

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from socket import socket

import pytest
import trustme

from chalicelib.transport import guarded_http
from chalicelib.transport.address_policy import any_address
from chalicelib.transport.deadline import Deadline
from chalicelib.transport.errors import DeadlinePassed, TransportError
from chalicelib.transport.guarded_http import guarded_request
from tests.helpers.internet import Internet
from tests.helpers.servers import Script, keeps_sending, sends, sends_then_hangs, serving

AUTHORITY = trustme.CA()
SECONDS = 0.5
SLACK_SECONDS = 1.0  # of a machine that is busy; a drip would go on for hundreds of seconds
EVERY_SECONDS = 0.02

# The header of a TLS record that holds a handshake message of 16 KB, of which no end comes.
TLS_RECORD = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n"


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """A server's context for images.example, whose authority is the only one that is trusted."""
    authorities = tmp_path / "authorities.pem"
    AUTHORITY.cert_pem.write_to_path(str(authorities))
    monkeypatch.setattr("certifi.where", lambda: str(authorities))
    guarded_http.tls_context.cache_clear()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    AUTHORITY.issue_cert("images.example").configure_cert(context)
    yield context
    guarded_http.tls_context.cache_clear()


def send(url: str, body: bytes | None = None, read: int = 1000) -> bytes:
    """One request with SECONDS for all of it, and the first bytes of the response's body."""
    with guarded_request(
        "GET" if body is None else "POST",
        url,
        {},
        policy=any_address(443 if url.startswith("https") else 80),
        deadline=Deadline.after(SECONDS),
        max_body_bytes=1024 * 1024,
        body=body,
    ) as response:
        content: bytes = response.raw.read(read)
        return content


def assert_ends_in_time(request: Callable[[], object]) -> None:
    started = time.monotonic()
    with pytest.raises(DeadlinePassed):
        request()
    assert time.monotonic() - started < SECONDS + SLACK_SECONDS


def reads_slowly(peer: socket) -> None:
    """Takes a byte of a request now and then."""
    never = threading.Event()
    while peer.recv(1):
        never.wait(EVERY_SECONDS)


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(sends_then_hangs(), id="silent"),
        pytest.param(keeps_sending(TLS_RECORD, b"\0", EVERY_SECONDS), id="dripping"),
        pytest.param(sends_then_hangs(TLS_RECORD), id="stopping"),
    ],
)
def test_a_tls_handshake(internet: Internet, script: Script) -> None:
    with serving(script, waits_for_request=False) as server:
        internet.serve("images.example", server, port=443)
        assert_ends_in_time(lambda: send("https://images.example/"))


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    "script",
    [
        pytest.param(sends_then_hangs(), id="no status"),
        pytest.param(keeps_sending(b"HTTP/1.1 ", b"2", EVERY_SECONDS), id="status"),
        pytest.param(keeps_sending(OK + b"X: ", b"x", EVERY_SECONDS), id="headers"),
        pytest.param(
            keeps_sending(b"", b"HTTP/1.1 100 Continue\r\n\r\n", EVERY_SECONDS), id="continue"
        ),
        pytest.param(keeps_sending(OK + b"\r\n", b"x", EVERY_SECONDS), id="body"),
    ],
)
def test_a_response(internet: Internet, tls: ssl.SSLContext, script: Script, scheme: str) -> None:
    is_tls = scheme == "https"
    with serving(script, tls if is_tls else None) as server:
        internet.serve("images.example", server, port=443 if is_tls else 80)
        assert_ends_in_time(lambda: send(f"{scheme}://images.example/"))


def reads_nothing(peer: socket) -> None:
    """Keeps the connection open for as long as the test could need it."""
    threading.Event().wait(SECONDS + SLACK_SECONDS)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("script", [reads_nothing, reads_slowly])
def test_a_body_that_is_sent(
    internet: Internet, tls: ssl.SSLContext, script: Script, scheme: str
) -> None:
    is_tls = scheme == "https"
    with serving(script, tls if is_tls else None, waits_for_request=False) as server:
        internet.serve("images.example", server, port=443 if is_tls else 80)
        body = bytes(32 * 1024 * 1024)  # more than the buffers of two sockets hold
        assert_ends_in_time(lambda: send(f"{scheme}://images.example/", body))


def test_the_look_up_of_a_name(internet: Internet) -> None:
    internet.names.zone["images.example"] = None
    assert_ends_in_time(lambda: send("http://images.example/"))


def test_an_error_of_the_network_is_always_one_of_ours(internet: Internet) -> None:
    for answer in (
        b"",
        b"\0" * 100,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n",
    ):
        with serving(sends(answer)) as server:
            internet.serve("images.example", server)
            with pytest.raises(TransportError):
                send("http://images.example/")
