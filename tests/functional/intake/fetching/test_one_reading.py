"""A URL has one reading: the host that is checked is the host that requests connects to."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.intake.fetching.image_urls import parse_image_url
from chalicelib.model.errors import FetchError
from chalicelib.transport import guarded_http
from chalicelib.transport.address_policy import any_address
from chalicelib.transport.deadline import Deadline
from chalicelib.transport.errors import TransportError, Unreachable
from chalicelib.transport.guarded_http import guarded_request

# What parsers of URLs are known to disagree about.
PIECES = st.sampled_from(
    ["a", "b.example", "127.0.0.1", "[::1]", "@", ":", "/", "\\", "?", "#", "%2f", "%40", "%", "..",
     ".", "//", "80", "443", "0x7f", "xn--fa-hia", "\u00df", "\u3002", "\uff20", "_", "-", "*", "!",
     "$", "&", "(", ")", "+", ",", ";", "=", "[", "]", "%5b", "%00", "{", "|", "^", "~", "http:"]
)  # fmt: skip
URLS = st.builds(
    lambda start, host, rest: start + host + "".join(rest),
    st.sampled_from(["http://", "https://", "http:", "HTTP://"]),
    st.sampled_from(["images.example", "b.example:8080", "[2606:2800::1]", ""]),
    st.lists(PIECES, max_size=7),
)


@given(URLS)
@settings(max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_host_that_is_checked_is_connected_to(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    connected: list[tuple[str, str, int]] = []

    def connect(adapter: object, scheme: str, connection: Any) -> None:
        connected.append((scheme, connection.host, connection.port))
        raise Unreachable("this test makes no connections")

    monkeypatch.setattr(guarded_http._GuardedAdapter, "_connect", connect)
    try:
        url = parse_image_url(text)
    except FetchError:
        return
    target = url.origin + url.request_target
    policy, deadline = any_address(url.port), Deadline.after(5)
    with (
        pytest.raises(TransportError),
        guarded_request("GET", target, {}, policy=policy, deadline=deadline, max_body_bytes=1),
    ):
        pass
    assert connected == [(url.scheme, url.host, url.port)]
