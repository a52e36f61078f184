"""Servers that answer without end, without haste, too much, or not as HTTP asks."""

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
    goes_on,
    image_response,
    redirect_response,
    says,
    serving,
    stays_silent,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
MEGABYTE = bytes(1024 * 1024)
BOMB = gzip.compress(bytes(50_000_000))

# A megabyte at most, and half a second for everything.
TIGHT = FetchLimits(max_bytes=1024 * 1024, deadline_seconds=0.5)

TOO_MUCH: dict[str, tuple[Script, type[FetchError]]] = {
    "endless body": (goes_on(OK + b"\r\n", MEGABYTE), ImageFileTooLarge),
    "endless chunks": (goes_on(CHUNKED, b"100000\r\n" + MEGABYTE + b"\r\n"), ImageFileTooLarge),
    "one chunk without end": (goes_on(CHUNKED + b"ffffffffff\r\n", MEGABYTE), ImageFileTooLarge),
    "much framing, little body": (
        goes_on(CHUNKED, b"1;" + b"x" * 60_000 + b"\r\n.\r\n"),
        ImageFileTooLarge,
    ),
    "one chunk of negative size": (goes_on(CHUNKED + b"-1\r\n", MEGABYTE), ImageFileTooLarge),
    "endless trailers": (goes_on(CHUNKED + b"0\r\n", b"X: " + b"x" * 60_000 + b"\r\n"),
                         ImageFileTooLarge),
    "length told, too large": (
        stays_silent(OK + b"Content-Length: 1048577\r\n\r\n"),
        ImageFileTooLarge,
    ),
    "length told, absurd": (
        stays_silent(OK + b"Content-Length: " + b"9" * 400 + b"\r\n\r\n"),
        ImageFileTooLarge,
    ),
    "length a lie, negative": (
        goes_on(OK + b"Content-Length: -1\r\n\r\n", MEGABYTE),
        ImageFileTooLarge,
    ),
    "length not a number": (
        goes_on(OK + b"Content-Length: small\r\n\r\n", MEGABYTE),
        ImageFileTooLarge,
    ),
    "gzip bomb": (says(image_response(BOMB, "Content-Encoding: gzip")), ImageFileTooLarge),
    "gzip bomb, chunked": (
        says(CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Encoding: x-gzip\r\n\r\n"),
             f"{len(BOMB):x}\r\n".encode() + BOMB + b"\r\n0\r\n\r\n"),
        ImageFileTooLarge,
    ),
    "a header without end": (goes_on(OK + b"X: ", b"x" * 65536), ResponseHeadersTooLarge),
    "headers without end": (goes_on(OK, b"X: y\r\n"), ResponseHeadersTooLarge),
    "101 headers": (
        says(OK + b"X: y\r\n" * 101 + b"\r\n" + IMAGE),
        ResponseHeadersTooLarge,
    ),
    "few but large headers": (
        says(OK + (b"X: " + b"x" * 30_000 + b"\r\n") * 3 + b"\r\n" + IMAGE),
        ResponseHeadersTooLarge,
    ),
    "a status line without end": (goes_on(b"HTTP/1.1 200 ", b"x" * 65536), ResponseHeadersTooLarge),
    "100 Continue without end": (
        goes_on(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        ResponseHeadersTooLarge,
    ),
}  # fmt: skip

TOO_SLOW: dict[str, Script] = {
    "no answer at all": stays_silent(),
    "status line that dribbles": goes_on(b"H", b"T", every_seconds=0.02),
    "headers that dribble": goes_on(OK + b"X: ", b"x", every_seconds=0.02),
    "headers that stop": stays_silent(OK),
    "100 Continue that dribbles": goes_on(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.02),
    "body that dribbles": goes_on(OK + b"Content-Length: 100000\r\n\r\n", b"x", 0.02),
    "body without length that dribbles": goes_on(OK + b"\r\n", b"x", 0.02),
    "chunks that dribble": goes_on(CHUNKED, b"1\r\nx\r\n", 0.02),
    "chunk size that dribbles": goes_on(CHUNKED, b"0", 0.02),
    "trailers that dribble": goes_on(CHUNKED + b"0\r\n", b"X: y\r\n", 0.02),
    "gzip that dribbles": goes_on(
        OK + b"Content-Encoding: gzip\r\nContent-Length: 99999\r\n\r\n" + BOMB[:10], b"\0", 0.02
    ),
    "body that stops": stays_silent(OK + b"Content-Length: 100\r\n\r\nx"),
}

NOT_AS_HTTP_ASKS: dict[str, Script] = {
    "nothing": says(),
    "HTTP 0.9": says(IMAGE),
    "another protocol": says(b"220 mail.example ESMTP\r\n"),
    "an absurd status": says(b"HTTP/1.1 9999 OK\r\n\r\n"),
    "a negative status": says(b"HTTP/1.1 -200 OK\r\n\r\n"),
    "no content": says(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "a part": says(b"HTTP/1.1 206 Partial Content\r\nContent-Length: 1\r\n\r\nx"),
    "not modified": says(b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    "not found": says(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone"),
    "broken": says(b"HTTP/1.1 500 Oh\r\n\r\n"),
    "redirect to nowhere": says(b"HTTP/1.1 302 Found\r\n\r\n"),
    "body cut short": says(OK + b"Content-Length: 100\r\n\r\n" + IMAGE),
    "chunk cut short": says(CHUNKED + b"64\r\n" + IMAGE),
    "chunk size negative": says(CHUNKED + b"-5\r\n" + IMAGE),
    "chunk size missing": says(CHUNKED + b"size\r\n" + IMAGE),
    "gzip cut short": says(image_response(BOMB[:100], "Content-Encoding: gzip")),
    "gzip that is none": says(image_response(IMAGE, "Content-Encoding: gzip")),
    "brotli": says(image_response(IMAGE, "Content-Encoding: br")),
    "gzip twice": says(image_response(BOMB, "Content-Encoding: gzip, gzip")),
    "deflate": says(image_response(zlib.compress(IMAGE), "Content-Encoding: deflate")),
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_too_much(internet: Internet, attack: Attack, name: str) -> None:
    script, error = TOO_MUCH[name]
    with serving(script) as public:
        internet.serve("images.example", public)

        assert type(attack("http://images.example/", TIGHT_BUT_PATIENT)) is error


TIGHT_BUT_PATIENT = FetchLimits(max_bytes=TIGHT.max_bytes, deadline_seconds=20)


@pytest.mark.parametrize("name", TOO_SLOW)
def test_too_slow(internet: Internet, attack: Attack, name: str) -> None:
    with serving(TOO_SLOW[name]) as public:
        internet.serve("images.example", public)

        assert type(_in_time(attack)) is FetchTimedOut


@pytest.mark.parametrize("name", NOT_AS_HTTP_ASKS)
def test_not_as_http_asks(internet: Internet, attack: Attack, name: str) -> None:
    with serving(NOT_AS_HTTP_ASKS[name]) as public:
        internet.serve("images.example", public)

        assert type(attack("http://images.example/", TIGHT_BUT_PATIENT)) is ImageServerError


def test_a_name_server_that_never_answers(internet: Internet, attack: Attack) -> None:
    internet.names.zone["images.example"] = None

    assert type(_in_time(attack)) is FetchTimedOut


def test_a_tls_handshake_that_never_ends(internet: Internet, attack: Attack) -> None:
    with serving(stays_silent()) as public:
        internet.serve("images.example", public, port=443)

        assert type(_in_time(attack, "https://images.example/")) is FetchTimedOut


def test_the_deadline_is_for_all_redirects_together(internet: Internet, attack: Attack) -> None:
    def slow_redirect(peer: object) -> None:
        time.sleep(0.2)  # the delay is what is tested
        says(redirect_response("http://images.example/"))(peer)  # type: ignore[arg-type]

    with serving(slow_redirect) as public:
        internet.serve("images.example", public)

        assert type(_in_time(attack)) is FetchTimedOut


def test_a_name_that_does_not_exist(internet: Internet, attack: Attack) -> None:
    assert type(attack("http://nobody.example/")) is HostNotFound


def test_a_name_without_addresses(internet: Internet, attack: Attack) -> None:
    internet.names.zone["images.example"] = [[]]

    assert type(attack("http://images.example/")) is HostNotFound


def test_a_server_that_takes_no_connections(internet: Internet, attack: Attack) -> None:
    with serving(says()) as public:
        internet.serve("images.example", public)

    refusal = attack("http://images.example/")

    assert type(refusal) is ImageServerUnreachable
    assert PUBLIC not in str(refusal)


def test_the_next_address_is_tried_where_one_takes_no_connections(internet: Internet) -> None:
    with serving(says(image_response())) as up:
        internet.route("93.184.215.15", 80, up)
        with serving(says()) as down:
            internet.route(PUBLIC, 80, down)
        internet.names.zone["images.example"] = [[PUBLIC, "93.184.215.15"]]

        assert fetch("http://images.example/", FetchLimits()).content == IMAGE


def test_the_next_address_is_tried_where_one_is_silent(internet: Internet) -> None:
    with serving(says(image_response())) as up, _full_server() as silent:
        internet.route(PUBLIC, 80, silent)
        internet.route("93.184.215.15", 80, up)
        internet.names.zone["images.example"] = [[PUBLIC, "93.184.215.15"]]

        fetched = fetch("http://images.example/", FetchLimits(deadline_seconds=1))

        assert fetched.content == IMAGE


def test_a_silent_address_of_each_family_leaves_time_for_another(internet: Internet) -> None:
    many = [f"2606:2800:21f::{number}" for number in range(1, 9)]
    with serving(says()) as down:
        for address in many:
            internet.route(address, 80, down)
    with serving(says(image_response())) as up:
        internet.route(PUBLIC, 80, up)
        internet.names.zone["images.example"] = [[*many, PUBLIC]]

        assert fetch("http://images.example/", FetchLimits()).content == IMAGE


@contextlib.contextmanager
def _full_server() -> Iterator["_Address"]:
    """A server whose queue is full, so that another connection gets no answer at all."""
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
        image_response(IMAGE) + b"more than was promised",
        b"HTTP/1.1 100 Continue\r\n\r\n" + image_response(),
        b"HTTP/1.0 200\r\nContent-Type: image/png\r\n\r\n" + IMAGE,
    ],
)
def test_ways_to_answer_that_are_fine(internet: Internet, response: bytes) -> None:
    with serving(says(response)) as public:
        internet.serve("images.example", public)

        fetched = fetch("http://images.example/a.png?size=large#top", FetchLimits())

        assert fetched.content == IMAGE
        assert fetched.content_type == "image/png"
        assert fetched.url == "http://images.example/a.png?size=large#top"


def test_a_body_of_exactly_the_limit_is_fetched(internet: Internet) -> None:
    with serving(says(image_response(MEGABYTE))) as public:
        internet.serve("images.example", public)

        assert fetch("http://images.example/", TIGHT_BUT_PATIENT).content == MEGABYTE


def _in_time(attack: Callable[..., FetchError], url: str = "http://images.example/") -> FetchError:
    started = time.monotonic()
    refusal = attack(url, TIGHT)
    assert time.monotonic() - started < TIGHT.deadline_seconds + 2, "the deadline did not hold"
    return refusal
