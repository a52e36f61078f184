import pytest

from chalicelib.catalog_pages import PageRequest
from chalicelib.errors import InvalidRequest
from chalicelib.requests_in import image_url, page_request


def test_the_url_is_taken_without_the_spaces_around_it() -> None:
    assert image_url(b'{"url": " https://example.com/cat.jpg\\n"}') == "https://example.com/cat.jpg"


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"\xff\xfe", b"null", b"[]", b'"text"', b"1", b"{}"),
        *(b'{"url": null}', b'{"url": ""}', b'{"url": 5}'),
    ],
)
def test_a_body_without_a_url_is_answered_with_an_example(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match=r"example\.com"):
        image_url(body)


def test_an_unknown_field_is_named() -> None:
    with pytest.raises(InvalidRequest, match="uri"):
        image_url(b'{"uri": "https://example.com/cat.jpg"}')


def test_a_page_has_defaults() -> None:
    assert page_request(None) == PageRequest(label=None, min_confidence=0, limit=20, cursor=None)


def test_a_page_takes_what_is_asked() -> None:
    asked = {"label": "Cat", "min_confidence": "80.5", "limit": "100", "cursor": "abc"}
    assert page_request(asked) == PageRequest("Cat", 80.5, 100, "abc")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"limit": "0"}, "from 1 to 100"),
        ({"limit": "101"}, "from 1 to 100"),
        ({"limit": "1.5"}, "whole number"),
        ({"limit": "many"}, "'many'"),
        ({"label": "Cat", "min_confidence": "101"}, "from 0 to 100"),
        ({"label": "Cat", "min_confidence": "nan"}, "from 0 to 100"),
        ({"min_confidence": "50"}, "label"),
        ({"label": " "}, "empty"),
        ({"lable": "Cat"}, "lable"),
    ],
)
def test_a_bad_parameter_is_refused_with_what_is_allowed(
    parameters: dict[str, str], message: str
) -> None:
    with pytest.raises(InvalidRequest, match=message):
        page_request(parameters)
