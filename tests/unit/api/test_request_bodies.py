import json
from datetime import UTC, datetime

import pytest

from chalicelib.api.query_parameters import features as query_features
from chalicelib.api.query_parameters import month
from chalicelib.api.request_bodies import (
    batch_request,
    further_features,
    image_at_url,
    upload_features,
)
from chalicelib.model.errors import InvalidRequest
from chalicelib.model.findings import Feature
from chalicelib.model.image import NewImage

DEFAULT = (Feature.LABELS,)


def test_the_url_is_stripped_of_surrounding_whitespace() -> None:
    image = image_at_url(b'{"url": " https://example.com/cat.jpg\\n"}', DEFAULT)
    assert image == NewImage(DEFAULT, url="https://example.com/cat.jpg")


def test_features_are_read_from_every_body_and_from_the_query() -> None:
    requested = (Feature.TEXT, Feature.FACES)
    names = ["FACES", "TEXT", "FACES"]
    body = json.dumps({"features": names}).encode()
    assert upload_features(body, DEFAULT) == requested
    assert further_features(body) == requested
    assert query_features({"features": ["FACES, TEXT"]}, DEFAULT) == requested
    url_body = json.dumps({"url": "u", "features": names}).encode()
    assert image_at_url(url_body, DEFAULT) == NewImage(requested, url="u")
    batch_body = json.dumps({"urls": ["u"], "features": names}).encode()
    assert batch_request(batch_body, DEFAULT) == (["u"], requested)


def test_without_features_the_stages_default_applies() -> None:
    assert upload_features(b"", DEFAULT) == DEFAULT
    assert query_features({}, DEFAULT) == DEFAULT
    assert batch_request(b'{"urls": ["u"]}', DEFAULT) == (["u"], DEFAULT)


@pytest.mark.parametrize("features", [["SMELL"], ["text"], [], "TEXT", None, [["TEXT"]], [7]])
def test_an_unknown_feature_is_refused_with_the_known_features(features: object) -> None:
    with pytest.raises(InvalidRequest, match="LABELS, TEXT, FACES, MODERATION, CELEBRITIES"):
        further_features(json.dumps({"features": features}).encode())


def test_a_month_is_a_year_and_a_month_and_defaults_to_the_current_one() -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    assert month({}, now) == "2026-11"
    assert month({"month": ["2025-01"]}, now) == "2025-01"
    for invalid in ("2026", "2026-13", "2026-1", "november", "2026-11-23"):
        with pytest.raises(InvalidRequest, match="2026-11"):
            month({"month": [invalid]}, now)


def test_features_and_month_given_twice_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="features appears 2 times"):
        query_features({"features": ["TEXT", "FACES"]}, DEFAULT)
    with pytest.raises(InvalidRequest, match="month appears 2 times"):
        month({"month": ["2026-11", "2026-10"]}, datetime(2026, 11, 23, tzinfo=UTC))


@pytest.mark.parametrize("url", ["http://a.example/\ud800", "x" * 8193, "é" * 4097, "", 5])
def test_a_url_of_a_batch_that_cannot_be_stored_is_refused_with_its_number(url: object) -> None:
    body = json.dumps({"urls": ["https://example.com/cat.jpg", url]}).encode()
    with pytest.raises(InvalidRequest, match="Entry 1 of urls"):
        batch_request(body, DEFAULT)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"\xff\xfe", b"null", b"[]", b'"text"', b"1", b"{}"),
        *(b'{"url": null}', b'{"url": ""}', b'{"url": 5}'),
    ],
)
def test_a_body_without_a_url_is_refused_with_an_example(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match=r"example\.com"):
        image_at_url(body, DEFAULT)


def test_an_unknown_field_is_refused_by_name() -> None:
    with pytest.raises(InvalidRequest, match="uri"):
        image_at_url(b'{"uri": "https://example.com/cat.jpg"}', DEFAULT)
