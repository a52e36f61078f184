"""Parsing of URLs and origins; no network."""

import contextlib
import ipaddress
import re
from urllib.parse import urlsplit

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from chalicelib.intake.fetching.image_urls import ImageUrl, parse_image_url
from chalicelib.intake.fetching.limits import FetchLimits, parse_allowed_origins
from chalicelib.model.errors import FetchError, UrlHasCredentials


def test_the_default_limits_are_the_documented_ones() -> None:
    limits = FetchLimits()

    assert limits.allowed_origins == frozenset()
    assert limits.max_bytes == 25 * 1024 * 1024
    assert limits.deadline_seconds == 20
    assert limits.max_redirects == 3
    assert limits.ports == {80, 443}


@pytest.mark.parametrize(
    ("url", "origin", "request_target"),
    [
        ("http://images.example", "http://images.example", "/"),
        ("HTTPS://Images.EXAMPLE:443/a", "https://images.example", "/a"),
        ("http://images.example:443/", "http://images.example:443", "/"),
        ("http://images.example:/a?b", "http://images.example", "/a?b"),
        ("https://images.example./a", "https://images.example", "/a"),
        ("http://93.184.215.14/", "http://93.184.215.14", "/"),
        ("http://[2606:2800:021F::0001]:80/", "http://[2606:2800:21f::1]", "/"),
        ("http://\uff21\u3002example/", "http://a.example", "/"),
        ("http://my_bucket.images.example/", "http://my_bucket.images.example", "/"),
        ("https://\u65e5\u672c.example/\u732b.png", "https://xn--wgv71a.example", "/%E7%8C%AB.png"),
        ("http://a.example/a%20b%zz/'(~)!", "http://a.example", "/a%20b%zz/'(~)!"),
        ("http://a.example/?a=http://b/#c", "http://a.example", "/?a=http://b/"),
        ('http://a.example/"<>`{|}', "http://a.example", "/%22%3C%3E%60%7B%7C%7D"),
        ("http://a.example//10.0.0.1/", "http://a.example", "//10.0.0.1/"),
    ],
)
def test_a_url_is_parsed_into_origin_and_request_target(
    url: str, origin: str, request_target: str
) -> None:
    parsed = parse_image_url(url)

    assert (parsed.origin, parsed.request_target) == (origin, request_target)
    assert parsed.text == url


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("", set()),
        (" , ", set()),
        ("http://127.0.0.1:8900", {"http://127.0.0.1:8900"}),
        ("http://a.example:80/, https://B.example:443", {"http://a.example", "https://b.example"}),
        ("http://[::1]:8900", {"http://[::1]:8900"}),
    ],
)
def test_allowed_origins_are_parsed(text: str, origins: set[str]) -> None:
    assert parse_allowed_origins(text) == origins


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("http://a.example/images", "more than an origin"),
        ("http://a.example/?", "more than an origin"),
        ("http://a.example#", "more than an origin"),
        ("http://*.example", "not a host name"),
        ("a.example", "scheme"),
        ("10.0.0.0/8", "scheme"),
        ("ftp://a.example", "scheme"),
        ("http://us:password@a.example", "user name or password"),
        ("http://a.example:http", "cannot be parsed"),
        ("http://a.example http://b.example", "character"),
        ("http://127.1:8900", "four decimal numbers"),
    ],
)
def test_what_is_not_an_origin_is_refused_as_an_allowed_origin(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as refusal:
        parse_allowed_origins(text)
    assert "us:password" not in str(refusal.value)


@pytest.mark.parametrize("url", ["http://us:password@a.example/", "https://us:password@10.0.0.1"])
def test_a_refusal_does_not_repeat_credentials(url: str) -> None:
    with pytest.raises(UrlHasCredentials) as refusal:
        parse_image_url(url)
    assert "us:" not in str(refusal.value)


PIECES = st.lists(
    st.sampled_from(
        ["http", "https", "ftp", ":", "/", "//", "\\", "@", "#", "?", "%", "%2e", "%00", "[", "]",
         ".", "127.0.0.1", "0x7f", "0177", "1", "::1", "fe80::1%25eth0", "a.example", "localhost",
         "xn--", "xn--e1afmkfd", "\u00df", "\uff11", "\u3002", "\u2100", "\u200b", "\ufeff", "\t",
         "\n", " ", ":80", ":0", ":65536", "user", "-", "_", "~", "\ud800", "\U0001f408", "a" * 64]
    ),
    max_size=12,
)  # fmt: skip
URLS = (
    st.text(max_size=60)
    | PIECES.map("".join)
    | PIECES.map(lambda pieces: "http://" + "".join(pieces))
)


# Mostly valid: hosts of every kind followed by any text.
PLAUSIBLE_URLS = st.builds(
    lambda scheme, host, port, rest: f"{scheme}://{host}{port}/{rest}",
    st.sampled_from(["http", "https", "HTTP"]),
    st.sampled_from(
        ["a.example", "A.Example.", "b_c.example", "xn--e1afmkfd.example", "fa\u00df.example",
         "93.184.215.14", "\uff19\uff13.184.215.14", "93\u3002184\u3002215\u300214", "[2606::1]",
         "[::ffff:7f00:1]", "1.2.3.4.example", "0x7f.example", "127.1", "example.0x7f"]
    )
    | st.from_regex(r"[a-z0-9._-]{1,20}", fullmatch=True),
    st.sampled_from(["", ":", ":80", ":443", ":8900", ":65535"]),
    st.text(max_size=30),
)  # fmt: skip


def parse_or_assume(url: str) -> ImageUrl:
    try:
        return parse_image_url(url)
    except FetchError:
        assume(False)
        raise


@given(URLS)
@example("http://[")
@example("http://a.example:\uff18\uff10/")
@example("http://\u2488.example")
def test_any_text_is_parsed_or_refused(url: str) -> None:
    try:
        parsed = parse_image_url(url)
    except FetchError:
        return
    assert parsed.scheme in {"http", "https"}
    assert 1 <= parsed.port <= 65535
    # No character can end a line, a word or the host of the request.
    assert parsed.host.isascii()
    assert not set(parsed.host) & set("/\\?#@[]%\r\n\t ")
    assert parsed.request_target.startswith("/")
    assert parsed.request_target.isascii()
    assert parsed.request_target.isprintable()
    assert " " not in parsed.request_target


@given(PLAUSIBLE_URLS)
def test_a_parsed_url_parses_to_the_same_parts_again(url: str) -> None:
    parsed = parse_or_assume(url)

    again = parse_image_url(parsed.origin + parsed.request_target)

    assert (again.scheme, again.host, again.port) == (parsed.scheme, parsed.host, parsed.port)
    assert again.request_target == parsed.request_target


@given(PLAUSIBLE_URLS)
def test_urllib_and_urllib3_find_the_same_host(url: str) -> None:
    parsed = parse_or_assume(url)
    normalized = parsed.origin + parsed.request_target

    by_urllib = urlsplit(normalized)
    assert (by_urllib.hostname, by_urllib.port or parsed.port) == (parsed.host, parsed.port)
    try:
        by_urllib3 = parse_url(normalized)
    except LocationParseError:
        return
    assert (by_urllib3.host or "").strip("[]") == parsed.host
    assert (by_urllib3.port or parsed.port) == parsed.port


@given(PLAUSIBLE_URLS)
def test_a_host_that_ends_in_a_number_is_an_ipv4_address_of_four_decimal_numbers(url: str) -> None:
    host = parse_or_assume(url).host

    last_label = host.rpartition(".")[2]
    if last_label.isdigit() or re.fullmatch("0x[0-9a-f]*", last_label):
        assert str(ipaddress.IPv4Address(host)) == host


@given(st.text(max_size=40), st.sampled_from(["http://a.example/x/y?z", "https://[::1]:8/"]))
def test_any_location_header_gives_a_url_or_is_refused(location: str, base: str) -> None:
    with contextlib.suppress(FetchError):
        parse_image_url(parse_image_url(base).join(location))


@given(URLS)
def test_any_origin_is_normalized_or_refused(text: str) -> None:
    try:
        origins = parse_allowed_origins(text)
    except ValueError:
        return
    assert parse_allowed_origins(",".join(origins)) == origins
