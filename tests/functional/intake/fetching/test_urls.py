"""URLs that parsers interpret differently, and schemes and ports other than HTTP's."""

import pytest

from chalicelib.intake.fetching.fetch import fetch
from chalicelib.intake.fetching.limits import FetchLimits, parse_allowed_origins
from chalicelib.model.errors import (
    AddressNotPublic,
    InvalidUrl,
    TooManyRedirects,
    UrlHasCredentials,
    UrlPortNotAllowed,
    UrlSchemeNotAllowed,
)
from tests.functional.intake.fetching.conftest import Attack
from tests.helpers.internet import Internet
from tests.helpers.servers import IMAGE, image_response, redirect_response, sends, serving

OTHER_SCHEMES = [
    "file:///etc/passwd",
    "file://127.0.0.1/etc/passwd",
    "FILE:///proc/self/environ",
    "ftp://127.0.0.1/image.png",
    "gopher://127.0.0.1:80/_GET%20/secret",
    "data:image/png;base64,iVBORw0KGgo=",
    "dict://127.0.0.1:80/secret",
    "ldap://127.0.0.1/",
    "jar:http://127.0.0.1!/",
    "javascript:alert(1)",
    "s3://bucket/key",
    "ws://127.0.0.1/",
    "unix:///var/run/docker.sock",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
    "view-source:http://127.0.0.1/",
]

AMBIGUOUS = {
    "http://images.example\\@127.0.0.1/": InvalidUrl,
    "http://127.0.0.1\\@images.example/": InvalidUrl,
    "http://127.0.0.1\\.images.example/": InvalidUrl,
    "http:\\\\127.0.0.1/": InvalidUrl,
    "http://images.example@127.0.0.1/": UrlHasCredentials,
    "http://127.0.0.1@images.example/": UrlHasCredentials,
    "http://user:password@images.example/": UrlHasCredentials,
    "http://@127.0.0.1/": UrlHasCredentials,
    "http://:@127.0.0.1/": UrlHasCredentials,
    "http://images.example:80@127.0.0.1/": UrlHasCredentials,
    "http://images.example%40127.0.0.1/": InvalidUrl,
    "http://127.0.0.1#@images.example/": AddressNotPublic,
    "http://127.0.0.1?@images.example/": AddressNotPublic,
    "http://127.0.0.1/@images.example": AddressNotPublic,
    "http://127.0.0.1;images.example/": InvalidUrl,
    "http://127.0.0.1,images.example/": InvalidUrl,
    "http://127.0.0.1 images.example/": InvalidUrl,
    "http://127.0.0.1\timages.example/": InvalidUrl,
    "http://127.0.0.1\r\nHost: images.example/": InvalidUrl,
    "http://images.example/\r\nX-Injected: yes": InvalidUrl,
    "http://images.example\x00.127.0.0.1/": InvalidUrl,
    "http://images.example\u2100.127.0.0.1/": InvalidUrl,  # a/c in one character
    "http://images.example\uff0f@127.0.0.1/": InvalidUrl,  # a full-width slash
    "http://[::1]images.example/": InvalidUrl,
    "http://images.example[::1]/": InvalidUrl,
    "http://[images.example]/": InvalidUrl,
    "http://images..example/": InvalidUrl,
    "http://.images.example/": InvalidUrl,
    "http://-/": AddressNotPublic,
    "http:///127.0.0.1/": InvalidUrl,
    "http:127.0.0.1/": InvalidUrl,
    "http:/127.0.0.1/": InvalidUrl,
    "http://": InvalidUrl,
    "//127.0.0.1/": UrlSchemeNotAllowed,
    "127.0.0.1": UrlSchemeNotAllowed,
    "": UrlSchemeNotAllowed,
    " http://127.0.0.1/": InvalidUrl,
    "http://images.example/\ud800": InvalidUrl,
    f"http://{'a' * 64}.example/": InvalidUrl,
    f"http://{'a.' * 127}example/": InvalidUrl,
    "http://" + "\u00e4" * 300 + ".example/": InvalidUrl,
    f"http://images.example/{'a' * 8192}": InvalidUrl,
}

OTHER_PORTS = {
    "http://images.example:22/": UrlPortNotAllowed,
    "http://images.example:6379/": UrlPortNotAllowed,
    "http://images.example:8080/": UrlPortNotAllowed,
    "https://images.example:8443/": UrlPortNotAllowed,
    "http://images.example:0/": InvalidUrl,
    "http://images.example:65536/": InvalidUrl,
    "http://images.example:99999999999/": InvalidUrl,
    "http://images.example:-80/": InvalidUrl,
    "http://images.example:+80/": InvalidUrl,
    "http://images.example:8o/": InvalidUrl,
    "http://images.example:\u0668\u0660/": InvalidUrl,  # Arabic-Indic digits
    "http://images.example:80:80/": InvalidUrl,
}


@pytest.mark.parametrize("url", OTHER_SCHEMES)
def test_other_schemes_are_not_fetched(attack: Attack, url: str) -> None:
    assert type(attack(url)) is UrlSchemeNotAllowed


@pytest.mark.parametrize("url", OTHER_SCHEMES)
def test_redirects_to_other_schemes_are_not_followed(
    internet: Internet, attack: Attack, url: str
) -> None:
    with serving(sends(redirect_response(url))) as public:
        internet.serve("images.example", public)

        assert type(attack("http://images.example/")) is UrlSchemeNotAllowed


@pytest.mark.parametrize("url", AMBIGUOUS)
def test_an_ambiguous_url_is_not_fetched(internet: Internet, attack: Attack, url: str) -> None:
    internet.names.zone["images.example"] = [["10.0.0.1"]]

    refusal = attack(url)

    assert type(refusal) is AMBIGUOUS[url]
    assert "password" not in str(refusal).replace("a user name or password", "")


@pytest.mark.parametrize("url", [url for url in AMBIGUOUS if url.isprintable() and url])
def test_a_redirect_to_an_ambiguous_url_is_not_followed(
    internet: Internet, attack: Attack, url: str
) -> None:
    with serving(sends(redirect_response(url))) as public:
        internet.serve("public.example", public)
        internet.names.zone["images.example"] = [["10.0.0.1"]]

        # A relative URL leads back to the public server, in a loop.
        assert type(attack("http://public.example/")) in {
            AddressNotPublic,
            InvalidUrl,
            TooManyRedirects,
            UrlHasCredentials,
        }


@pytest.mark.parametrize("url", OTHER_PORTS)
def test_other_ports_are_not_fetched(internet: Internet, attack: Attack, url: str) -> None:
    internet.names.zone["images.example"] = [["10.0.0.1"]]

    assert type(attack(url)) is OTHER_PORTS[url]


@pytest.mark.parametrize("url", OTHER_PORTS)
def test_redirects_to_other_ports_are_not_followed(
    internet: Internet, attack: Attack, url: str
) -> None:
    with serving(sends(redirect_response(url))) as public:
        internet.serve("public.example", public)

        assert type(attack("http://public.example/")) in {UrlPortNotAllowed, InvalidUrl}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_from_an_allowed_origin_to_a_non_public_address_is_not_followed(
    internet: Internet, attack: Attack, status: int
) -> None:
    with serving(sends(redirect_response("http://10.0.0.9/secret", status))) as allowed:
        internet.route("10.0.0.5", 8900, allowed)
        limits = FetchLimits(parse_allowed_origins("http://10.0.0.5:8900"))

        assert type(attack("http://10.0.0.5:8900/image.png", limits)) is AddressNotPublic
        assert allowed.traffic()[0] == 1


@pytest.mark.parametrize(
    "url",
    [
        "https://10.0.0.5:8900/",
        "http://10.0.0.5:8901/",
        "http://10.0.0.5/",
        "http://10.0.0.6:8900/",
        "http://10.0.0.5.images.example:8900/",
        "http://[::ffff:10.0.0.5]:8900/",
    ],
)
def test_an_allowed_origin_does_not_allow_similar_origins(
    internet: Internet, attack: Attack, url: str
) -> None:
    internet.names.zone["10.0.0.5.images.example"] = [["10.0.0.5"]]
    limits = FetchLimits(parse_allowed_origins("http://10.0.0.5:8900"), ports=frozenset({80, 8900}))

    assert type(attack(url, limits)) in {AddressNotPublic, UrlPortNotAllowed}


def test_an_allowed_origin_is_fetched(internet: Internet) -> None:
    with serving(sends(image_response())) as allowed:
        internet.route("10.0.0.5", 8900, allowed)
        limits = FetchLimits(parse_allowed_origins("http://10.0.0.5:8900"))

        assert fetch("http://10.0.0.5:8900/image.png", limits).content == IMAGE
        assert b"\r\nHost: 10.0.0.5:8900\r\n" in allowed.traffic()[1]


def test_a_redirect_loop_is_refused(internet: Internet, attack: Attack) -> None:
    with serving(sends(redirect_response("http://images.example/"))) as public:
        internet.serve("images.example", public)

        assert type(attack("http://images.example/")) is TooManyRedirects
        assert public.traffic()[0] == 4
