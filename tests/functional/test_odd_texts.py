"""Odd texts in every place that takes a text: refused or taken in, and never a 500."""

import base64
import hashlib
import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from chalicelib.api.query_parameters import image_page
from chalicelib.catalog.cursors import write_cursor
from chalicelib.intake.batch_messages import BatchEntry
from chalicelib.model.image import Failure
from chalicelib.services import Services
from tests.helpers.gateway import Gateway, GatewayResponse
from tests.helpers.images import IMAGE_ID

HALF = "\ud800"  # of a surrogate pair
ODD = (
    HALF,
    f"a{HALF}b\udfff",
    "\0",
    "\u0130" * 256,  # two characters each in lower case
    "\U0001f600" * 256,
    "\U0010ffff",
    "\ufb03" * 256,  # one character that folds to three
    "x" * 3000,
    "é" * 1100,
    "'\"<>&%{}[]\\",
    " ",
    "",
    "[" * 5000,
    "nan",
    "1e999",
    "9" * 5000,
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "2026-11-24T00:00:00Z",
)

texts = st.one_of(
    st.sampled_from(ODD),
    st.text(st.characters(exclude_categories=()), max_size=40),
    st.tuples(st.sampled_from(ODD), st.text(max_size=5)).map("".join),
)
values = st.recursive(
    texts | st.none() | st.booleans() | st.integers() | st.floats(),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(texts, parts, max_size=3),
    max_leaves=5,
)

# The fixtures are shared by all examples, which is fine: none needs an empty stage.
few = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

IMAGES, LABELS, USAGE = "/images", "/labels", "/usage"
QUERIES = {
    IMAGES: (
        "label",
        "min_confidence",
        "status",
        "created_after",
        "created_before",
        "order",
        "limit",
        "cursor",
    ),
    LABELS: ("prefix", "limit", "cursor"),
    USAGE: ("month",),
}
READS = (
    ("GET", "/uploads/{upload_id}"),
    ("GET", "/batches/{batch_id}"),
    ("GET", "/images/{image_id}"),
    ("GET", "/images/{image_id}/content"),
    ("DELETE", "/images/{image_id}"),
    ("POST", "/images/{image_id}/recognitions"),
    ("POST", "/images/{image_id}/deliveries"),
)
BODIES = ("/images", "/uploads", "/batches", "/images/{image_id}/recognitions")


def check(response: GatewayResponse) -> None:
    assert response.status_code < 500, response.body
    if response.status_code >= 400:
        assert set(response.body) == {"Code", "Message"}
        assert len(response.body["Message"]) < 1000


@few
@given(st.sampled_from([(path, name) for path in QUERIES for name in QUERIES[path]]), texts)
def test_a_query_with_an_odd_text_is_no_error_of_ours(
    gateway: Gateway, where: tuple[str, str], text: str
) -> None:
    path, name = where
    check(gateway.request("GET", path, query={name: [text]}))
    check(gateway.request("GET", path, query={name: [text, text]}))
    check(gateway.request("GET", path, query={text: ["1"]}))


@pytest.mark.parametrize("path", QUERIES)
def test_each_odd_text_in_each_parameter_is_no_error_of_ours(gateway: Gateway, path: str) -> None:
    for text in ODD:
        for name in QUERIES[path]:
            check(gateway.request("GET", path, query={name: [text]}))
        if path == IMAGES:
            check(gateway.request("GET", path, query={"label": ["cat", text]}))


@few
@given(texts, texts)
@example("2026-11-24T00:00:00Z", "2026-11-23T00:00:00Z")
@example("2026-11-24T00:00:00Z", "2026-11-24T00:00:00Z")
def test_any_two_times_are_no_error_of_ours(gateway: Gateway, after: str, before: str) -> None:
    query = {"created_after": [after], "created_before": [before]}
    check(gateway.request("GET", IMAGES, query=query))
    check(gateway.request("GET", IMAGES, query=query | {"label": ["cat"]}))


@few
@given(st.sampled_from(READS), texts)
def test_an_odd_id_is_answered_404(gateway: Gateway, where: tuple[str, str], text: str) -> None:
    method, path = where
    name = path.partition("{")[2].partition("}")[0]
    body = json.dumps({"features": ["TEXT"]})
    response = gateway.request(method, path, parameters={name: text}, body=body)
    check(response)
    assert response.status_code == 404


@few
@given(texts)
def test_an_odd_key_of_a_request_is_no_error_of_ours(gateway: Gateway, text: str) -> None:
    for _ in range(2):
        check(gateway.request("POST", "/uploads", idempotency_key=text))


@few
@given(st.sampled_from(BODIES), values, st.booleans())
@example("/uploads", {HALF: 1}, True)
@example("/images", {"url": f"http://a.invalid/{HALF}"}, True)
@example("/images/{image_id}/recognitions", {"features": [HALF]}, True)
def test_a_body_with_odd_texts_is_no_error_of_ours(
    gateway: Gateway, path: str, value: Any, is_ascii: bool
) -> None:
    for body in (
        json.dumps(value, ensure_ascii=is_ascii),
        json.dumps({"features": value}, ensure_ascii=is_ascii),
        str(value),
    ):
        response = gateway.request("POST", path, parameters={"image_id": IMAGE_ID}, body=body)
        check(response)
        assert response.status_code >= 400 or path == "/uploads"


@pytest.mark.parametrize("path", BODIES)
def test_a_deeply_nested_body_is_refused(gateway: Gateway, path: str) -> None:
    for body in ("[" * 100_000, '{"features":' + "[" * 100_000):
        response = gateway.request("POST", path, parameters={"image_id": IMAGE_ID}, body=body)
        assert (response.status_code, response.body["Code"]) == (400, "InvalidRequest")


@few
@given(st.lists(texts, min_size=1, max_size=3))
def test_a_url_that_cannot_be_written_is_refused_with_its_number(
    gateway: Gateway, memory: Services, urls: list[str]
) -> None:
    unusable = [number for number, url in enumerate(urls) if not url or not _is_utf8(url)]
    response = gateway.request("POST", "/batches", body=json.dumps({"urls": urls}))
    check(response)
    if unusable:
        assert response.status_code == 400
        assert f"Entry {unusable[0]} " in response.body["Message"]
    else:
        assert response.status_code == 202
        failure = Failure("InvalidUrl", "m")
        for entry in _entries(response.body["id"], urls):
            memory.batches._write_failure(entry, failure)
        shown = gateway.request(
            "GET", "/batches/{batch_id}", parameters={"batch_id": response.body["id"]}
        )
        assert len(shown.body["failures"]) == len(urls)


@pytest.mark.parametrize("path", [IMAGES, LABELS])
def test_a_forged_cursor_is_refused_or_shows_a_page(gateway: Gateway, path: str) -> None:
    query = {"limit": ["1"]} | ({"prefix": ["m"]} if path == LABELS else {})
    if path == IMAGES:
        query |= {"created_after": ["2026-11-24T00:00:00Z"]}
    fingerprint = _fingerprint(path)
    for last_key in ("", " ", "\0", "~", "\U0010ffff", "x" * 2000, HALF, "2026"):
        cursor = write_cursor(fingerprint, last_key)
        check(gateway.request("GET", path, query=query | {"cursor": [cursor]}))
    nested = base64.urlsafe_b64encode(b"[" * 100_000).decode().rstrip("=")
    check(gateway.request("GET", path, query=query | {"cursor": [nested]}))


def _fingerprint(path: str) -> str:
    """What a caller finds out by decoding a cursor of the same query."""
    if path == LABELS:
        return hashlib.sha256(b"m").hexdigest()[:12]
    return image_page({"created_after": ["2026-11-24T00:00:00Z"]}).fingerprint()


def _entries(batch_id: str, urls: list[str]) -> list[BatchEntry]:
    return [BatchEntry(batch_id, number, url) for number, url in enumerate(urls)]


def _is_utf8(text: str) -> bool:
    return quote(text, errors="replace") == quote(text, errors="ignore")
