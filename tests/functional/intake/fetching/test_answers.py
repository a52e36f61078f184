"""Servers whose responses are endless, slow, too large, or not valid HTTP."""

import contextlib
import gzip
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from chalicelib.intake.fetching.fetch import fetch
from chalicelib.intake.fetching.limits import FetchLimits
from chalicelib.model.errors import (
    FetchError,
    FetchTimedOut,
    HostNotFound,
    ImageFileTooLarge,
    ImageServerError,
    ImageServerUnreachable,
    ResponseHeadersTooLarge,
)
from tests.functional.intake.fetching.conftest import Attack
from tests.helpers.internet import PUBLIC, Internet
from tests.helpers.servers import (
    IMAGE,
    Script,
    image_response,
    keeps_sending,
    redirect_response,
    sends,
    sends_then_hangs,
    serving,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
MEGABYTE = bytes(1024 * 1024)
BOMB = gzip.compress(bytes(50_000_000))

# At most 1 MiB and half a second for the whole fetch.
FAST = FetchLimits(max_bytes=1024 * 1024, deadline_seconds=0.5)

TOO_LARGE: dict[str, tuple[Script, type[FetchError]]] = {
    "endless body": (keeps_sending(OK + b"\r\n", MEGABYTE), ImageFileTooLarge),
    "endless chunks": (
        keeps_sending(CHUNKED, b"100000\r\n" + MEGABYTE + b"\r\n"),
        ImageFileTooLarge,
    ),
    "one endless chunk": (keeps_sending(CHUNKED + b"ffffffffff\r\n", MEGABYTE), ImageFileTooLarge),
    "more framing than body": (
        keeps_sending(CHUNKED, b"1;" + b"x" * 60_000 + b"\r\n.\r\n"),
        ImageFileTooLarge,
    ),
    "one chunk of negative size": (keeps_sending(CHUNKED + b"-1\r\n", MEGABYTE), ImageFileTooLarge),
    "endless trailers": (keeps_sending(CHUNKED + b"0\r\n", b"X: " + b"x" * 60_000 + b"\r\n"),
                         ImageFileTooLarge),
    "Content-Length over the limit": (
        sends_then_hangs(OK + b"Content-Length: 1048577\r\n\r\n"),
        ImageFileTooLarge,
    ),
    "Content-Length of 400 digits": (
        sends_then_hangs(OK + b"Content-Length: " + b"9" * 400 + b"\r\n\r\n"),
        ImageFileTooLarge,
    ),
    "Content-Length negative": (
        keeps_sending(OK + b"Content-Length: -1\r\n\r\n", MEGABYTE),
        ImageFileTooLarge,
    ),
    "Content-Length not a number": (
        keeps_sending(OK + b"Content-Length: small\r\n\r\n", MEGABYTE),
        ImageFileTooLarge,
    ),
    "gzip bomb": (sends(image_response(BOMB, "Content-Encoding: gzip")), ImageFileTooLarge),
    "gzip bomb, chunked": (
        sends(CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Encoding: x-gzip\r\n\r\n"),
             f"{len(BOMB):x}\r\n".encode() + BOMB + b"\r\n0\r\n\r\n"),
        ImageFileTooLarge,
    ),
    "an endless header": (keeps_sending(OK + b"X: ", b"x" * 65536), ResponseHeadersTooLarge),
    "endless headers": (keeps_sending(OK, b"X: y\r\n"), ResponseHeadersTooLarge),
    "101 headers": (
        sends(OK + b"X: y\r\n" * 101 + b"\r\n" + IMAGE),
        ResponseHeadersTooLarge,
    ),
    "few but large headers": (
        sends(OK + (b"X: " + b"x" * 30_000 + b"\r\n") * 3 + b"\r\n" + IMAGE),
        ResponseHeadersTooLarge,
    ),
    "an endless status line": (
        keeps_sending(b"HTTP/1.1 200 ", b"x" * 65536),
        ResponseHeadersTooLarge,
    ),
    "endless 100 Continue": (
        keeps_sending(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        ResponseHeadersTooLarge,
    ),
}  # fmt: skip

TOO_SLOW: dict[str, Script] = {
    "no response": sends_then_hangs(),
    "status line that drips": keeps_sending(b"H", b"T", every_seconds=0.02),
    "headers that drip": keeps_sending(OK + b"X: ", b"x", every_seconds=0.02),
    "headers that stop": sends_then_hangs(OK),
    "100 Continue that drips": keeps_sending(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.02),
    "body that drips": keeps_sending(OK + b"Content-Length: 100000\r\n\r\n", b"x", 0.02),
    "body without length that drips": keeps_sending(OK + b"\r\n", b"x", 0.02),
    "chunks that drip": keeps_sending(CHUNKED, b"1\r\nx\r\n", 0.02),
    "chunk size that drips": keeps_sending(CHUNKED, b"0", 0.02),
    "trailers that drip": keeps_sending(CHUNKED + b"0\r\n", b"X: y\r\n", 0.02),
    "gzip that drips": keeps_sending(
        OK + b"Content-Encoding: gzip\r\nContent-Length: 99999\r\n\r\n" + BOMB[:10], b"\0", 0.02
    ),
    "body that stops": sends_then_hangs(OK + b"Content-Length: 100\r\n\r\nx"),
}

NOT_A_VALID_200: dict[str, Script] = {
    "an empty response": sends(),
    "HTTP 0.9": sends(IMAGE),
    "another protocol": sends(b"220 mail.example ESMTP\r\n"),
    "a four-digit status": sends(b"HTTP/1.1 9999 OK\r\n\r\n"),
    "a negative status": sends(b"HTTP/1.1 -200 OK\r\n\r\n"),
    "204 No Content": sends(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "206 Partial Content": sends(b"HTTP/1.1 206 Partial Content\r\nContent-Length: 1\r\n\r\nx"),
    "304 Not Modified": sends(b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    "404 Not Found": sends(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone"),
    "500": sends(b"HTTP/1.1 500 Oh\r\n\r\n"),
    "redirect without Location": sends(b"HTTP/1.1 302 Found\r\n\r\n"),
    "truncated body": sends(OK + b"Content-Length: 100\r\n\r\n" + IMAGE),
    "truncated chunk": sends(CHUNKED + b"64\r\n" + IMAGE),
    "negative chunk size": sends(CHUNKED + b"-5\r\n" + IMAGE),
    "invalid chunk size": sends(CHUNKED + b"size\r\n" + IMAGE),
    "truncated gzip": sends(image_response(BOMB[:100], "Content-Encoding: gzip")),
    "invalid gzip": sends(image_response(IMAGE, "Content-Encoding: gzip")),
    "brotli": sends(image_response(IMAGE, "Content-Encoding: br")),
    "gzip twice": sends(image_response(BOMB, "Content-Encoding: gzip, gzip")),
    "deflate": sends(image_response(zlib.compress(IMAGE), "Content-Encoding: deflate")),
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_a_response_over_a_limit_is_refused(internet: Internet, attack: Attack, name: str) -> None:
    script, error = TOO_LARGE[name]
    with serving(script) as public:
        internet.serve("images.example", public)

        assert type(attack("http://images.example/", SMALL_BUT_PATIENT)) is error


SMALL_BUT_PATIENT = FetchLimits(max_bytes=FAST.max_bytes, deadline_seconds=20)


@pytest.mark.parametrize("name", TOO_SLOW)
def test_a_slow_response_is_refused_at_the_deadline(
    internet: Internet, attack: Attack, name: str
) -> None:
    with serving(TOO_SLOW[name]) as public:
        internet.serve("images.example", public)

        assert type(_in_time(attack)) is FetchTimedOut


@pytest.mark.parametrize("name", NOT_A_VALID_200)
def test_a_response_that_is_not_a_valid_200_is_refused(
    internet: Internet, attack: Attack, name: str
) -> None:
    with serving(NOT_A_VALID_200[name]) as public:
        internet.serve("images.example", public)

        assert type(attack("http://images.example/", SMALL_BUT_PATIENT)) is ImageServerError


def test_a_silent_name_server_ends_the_fetch_at_the_deadline(
    internet: Internet, attack: Attack
) -> None:
    internet.names.zone["images.example"] = None

    assert type(_in_time(attack)) is FetchTimedOut


def test_an_endless_tls_handshake_ends_at_the_deadline(internet: Internet, attack: Attack) -> None:
    with serving(sends_then_hangs()) as public:
        internet.serve("images.example", public, port=443)

        assert type(_in_time(attack, "https://images.example/")) is FetchTimedOut


def test_the_deadline_covers_all_redirects_together(internet: Internet, attack: Attack) -> None:
    def slow_redirect(peer: object) -> None:
        time.sleep(0.2)  # the delay under test
        sends(redirect_response("http://images.example/"))(peer)  # type: ignore[arg-type]

    with serving(slow_redirect) as public:
        internet.serve("images.example", public)

        assert type(_in_time(attack)) is FetchTimedOut


def test_a_name_that_does_not_exist_is_refused(internet: Internet, attack: Attack) -> None:
    assert type(attack("http://nobody.example/")) is HostNotFound


def test_a_name_without_addresses_is_refused(internet: Internet, attack: Attack) -> None:
    internet.names.zone["images.example"] = [[]]

    assert type(attack("http://images.example/")) is HostNotFound


def test_a_server_that_refuses_connections_is_unreachable(
    internet: Internet, attack: Attack
) -> None:
    with serving(sends()) as public:
        internet.serve("images.example", public)

    refusal = attack("http://images.example/")

    assert type(refusal) is ImageServerUnreachable
    assert PUBLIC not in str(refusal)


def test_the_next_address_is_tried_if_one_refuses_connections(internet: Internet) -> None:
    with serving(sends(image_response())) as up:
        internet.route("93.184.215.15", 80, up)
        with serving(sends()) as down:
            internet.route(PUBLIC, 80, down)
        internet.names.zone["images.example"] = [[PUBLIC, "93.184.215.15"]]

        assert fetch("http://images.example/", FetchLimits()).content == IMAGE


def test_the_next_address_is_tried_if_one_is_silent(internet: Internet) -> None:
    with serving(sends(image_response())) as up, _full_server() as silent:
        internet.route(PUBLIC, 80, silent)
        internet.route("93.184.215.15", 80, up)
        internet.names.zone["images.example"] = [[PUBLIC, "93.184.215.15"]]

        fetched = fetch("http://images.example/", FetchLimits(deadline_seconds=1))

        assert fetched.content == IMAGE


def test_unreachable_ipv6_addresses_leave_time_for_an_ipv4_address(internet: Internet) -> None:
    many = [f"2606:2800:21f::{number}" for number in range(1, 9)]
    with serving(sends()) as down:
        for address in many:
            internet.route(address, 80, down)
    with serving(sends(image_response())) as up:
        internet.route(PUBLIC, 80, up)
        internet.names.zone["images.example"] = [[*many, PUBLIC]]

        assert fetch("http://images.example/", FetchLimits()).content == IMAGE


@contextlib.contextmanager
def _full_server() -> Iterator["_Address"]:
    """A server whose accept queue is full, so that another connection gets no response."""
    with contextlib.ExitStack() as held, socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        for _ in range(8):
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        yield _Address(full.getsockname())


@dataclass(frozen=True)
class _Address:
    address: tuple[str, int]


@pytest.mark.parametrize(
    "response",
    [
        image_response(),
        OK + b"\r\n" + IMAGE,
        CHUNKED + f"{len(IMAGE):x}\r\n".encode() + IMAGE + b"\r\n0\r\n\r\n",
        image_response(gzip.compress(IMAGE), "Content-Encoding: gzip"),
        image_response(IMAGE, "Content-Encoding: identity"),
        image_response(IMAGE) + b"more than Content-Length",
        b"HTTP/1.1 100 Continue\r\n\r\n" + image_response(),
        b"HTTP/1.0 200\r\nContent-Type: image/png\r\n\r\n" + IMAGE,
    ],
)
def test_a_valid_response_is_fetched(internet: Internet, response: bytes) -> None:
    with serving(sends(response)) as public:
        internet.serve("images.example", public)

        fetched = fetch("http://images.example/a.png?size=large#top", FetchLimits())

        assert fetched.content == IMAGE
        assert fetched.content_type == "image/png"
        assert fetched.url == "http://images.example/a.png?size=large#top"


def test_a_body_of_exactly_the_maximum_size_is_fetched(internet: Internet) -> None:
    with serving(sends(image_response(MEGABYTE))) as public:
        internet.serve("images.example", public)

        assert fetch("http://images.example/", SMALL_BUT_PATIENT).content == MEGABYTE


def _in_time(attack: Callable[..., FetchError], url: str = "http://images.example/") -> FetchError:
    started = time.monotonic()
    refusal = attack(url, FAST)
    assert time.monotonic() - started < FAST.deadline_seconds + 2, "the deadline did not hold"
    return refusal
