"""What a fetch sends to a public server, and which certificates it accepts."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from chalicelib.intake.fetching.fetch import fetch
from chalicelib.intake.fetching.limits import FetchLimits
from chalicelib.model.errors import ImageServerError
from chalicelib.transport import guarded_http
from tests.functional.intake.fetching.conftest import Attack
from tests.helpers.internet import Internet
from tests.helpers.servers import IMAGE, image_response, redirect_response, sends, serving

AUTHORITY = trustme.CA()


def server_context(*names: str, authority: trustme.CA = AUTHORITY) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names).configure_cert(context)
    return context


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Replaces the public certificate authorities with the test's."""
    authorities = tmp_path / "authorities.pem"
    AUTHORITY.cert_pem.write_to_path(str(authorities))
    monkeypatch.setattr("certifi.where", lambda: str(authorities))
    guarded_http.tls_context.cache_clear()
    yield
    guarded_http.tls_context.cache_clear()


def test_the_request_has_the_minimal_headers(internet: Internet) -> None:
    with serving(sends(image_response())) as public:
        internet.serve("images.example", public)

        fetch("http://IMAGES.example./caf\u00e9 x.png?q=\u00fc&a=%20b#top".replace(" ", "%20"),
              FetchLimits())  # fmt: skip

        assert public.traffic()[1].decode() == (
            "GET /caf%C3%A9%20x.png?q=%C3%BC&a=%20b HTTP/1.1\r\n"
            "Host: images.example\r\n"
            "User-Agent: image-recognition/1.0\r\n"
            "Accept: image/*,*/*;q=0.1\r\n"
            "Accept-Encoding: identity\r\n"
            "Connection: close\r\n"
            "\r\n"
        )


def test_an_international_host_name_is_encoded_as_browsers_do(internet: Internet) -> None:
    with serving(sends(image_response())) as public:
        internet.serve("xn--fa-hia.example", public)

        assert fetch("http://fa\u00df.example/", FetchLimits()).content == IMAGE
        assert b"Host: xn--fa-hia.example\r\n" in public.traffic()[1]


def test_the_environments_proxies_and_credentials_are_ignored(
    internet: Internet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://10.0.0.1:80")
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine images.example login us password ours\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    with serving(sends(image_response())) as public:
        internet.serve("images.example", public)

        fetch("http://images.example/", FetchLimits())

        assert b"Authorization" not in public.traffic()[1]
        assert internet.guarded.traffic() == (0, b"")


def test_a_redirect_sends_no_cookie_and_no_referer(internet: Internet) -> None:
    with (
        serving(sends(redirect_response("//other.example/image.png"))) as first,
        serving(sends(image_response())) as second,
    ):
        internet.serve("images.example", first)
        internet.names.zone["other.example"] = [["93.184.215.15"]]
        internet.route("93.184.215.15", 80, second)

        fetched = fetch("http://images.example/?token=secret", FetchLimits())

        assert fetched.url == "http://other.example/image.png"
        request = second.traffic()[1]
        assert b"Cookie" not in request
        assert b"Referer" not in request
        assert b"secret" not in request


@pytest.mark.usefixtures("trusted")
def test_a_certificate_for_the_host_name_is_accepted(internet: Internet) -> None:
    with serving(sends(image_response()), server_context("images.example")) as public:
        internet.serve("images.example", public, port=443)

        assert fetch("https://images.example./", FetchLimits()).content == IMAGE
        assert b"Host: images.example\r\n" in public.received


@pytest.mark.usefixtures("trusted")
def test_a_certificate_for_another_name_is_refused(internet: Internet, attack: Attack) -> None:
    with serving(sends(image_response()), server_context("other.example")) as public:
        internet.serve("images.example", public, port=443)

        refusal = attack("https://images.example/")

        assert type(refusal) is ImageServerError
        assert "certificate" in str(refusal)
        assert bytes(public.received) == b""


@pytest.mark.usefixtures("trusted")
def test_a_certificate_for_the_address_only_is_refused(internet: Internet, attack: Attack) -> None:
    with serving(sends(image_response()), server_context("93.184.215.14")) as public:
        internet.serve("images.example", public, port=443)

        assert type(attack("https://images.example/")) is ImageServerError


@pytest.mark.usefixtures("trusted")
def test_a_certificate_of_an_unknown_authority_is_refused(
    internet: Internet, attack: Attack
) -> None:
    unknown = server_context("images.example", authority=trustme.CA())
    with serving(sends(image_response()), unknown) as public:
        internet.serve("images.example", public, port=443)

        assert type(attack("https://images.example/")) is ImageServerError


def test_a_server_without_tls_is_refused_over_https(internet: Internet, attack: Attack) -> None:
    with serving(sends(image_response()), waits_for_request=False) as public:
        internet.serve("images.example", public, port=443)

        assert type(attack("https://images.example/")) is ImageServerError
