import re
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.aws.observability import without_secrets
from chalicelib.model.sources import (
    MAX_SOURCE_BYTES,
    MAX_SOURCES,
    MAX_SOURCES_BYTES,
    bounded_sources,
    source_of,
)

SECRET = "Zq7xK2vL9mT4wB8nR3c"
SECRET_NAMES = (
    "X-Amz-Signature",
    "X-Amz-Credential",
    "X-Amz-Security-Token",
    "x-amz-date",
    "X-Goog-Signature",
    "Signature",
    "sig",
    "SIG",
    "token",
    "access_token",
    "accessToken",
    "accesstoken",
    "id_token",
    "key",
    "api_key",
    "apikey",
    "AWSAccessKeyId",
    "GoogleAccessId",
    "Expires",
    "Policy",
    "Key-Pair-Id",
    "password",
    "auth",
    "hdnea",
    "sessionid",
    "client_secret",
    "%74oken",
    "%2574oken",
)

names = st.sampled_from(SECRET_NAMES)
harmless = st.sampled_from(["id=5", "page", "size=large", "lang=en", "w=100&h=50", "v=2026-11-24"])
paths = st.sampled_from(["", "/", "/a/b.jpg", "/é", "/a%20b", "/@me/cat.png"])


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("https://example.com/cat.jpg", "https://example.com/cat.jpg"),
        ("https://example.com:8443/show?id=5&size=large", None),
        ("https://example.com/?again", None),
        ("https://example.com/cat.jpg?img=my-cat-in-the-garden", None),
        ("https://example.com/cat.jpg#eyes", "https://example.com/cat.jpg"),
        ("https://example.com/cat.jpg?id=5&token=abc#x", "https://example.com/cat.jpg?id=5"),
        ("https://example.com/cat.jpg?id=5;sig=abc", "https://example.com/cat.jpg?id=5"),
        ("https://alice:secret@example.com/cat.jpg", "https://example.com/cat.jpg"),
        (f"https://example.com/cat.jpg?{SECRET}", "https://example.com/cat.jpg"),
        (f"https://example.com/cat.jpg?x={SECRET}", "https://example.com/cat.jpg"),
        (
            f"https://b.s3.amazonaws.com/cat.jpg?X-Amz-Algorithm=AWS4-HMAC-SHA256"
            f"&X-Amz-Credential=AKIAEXAMPLE%2F20261124%2Fus-east-1%2Fs3%2Faws4_request"
            f"&X-Amz-Date=20261124T000000Z&X-Amz-Expires=300&X-Amz-SignedHeaders=host"
            f"&X-Amz-Signature={SECRET}&versionId=3",
            "https://b.s3.amazonaws.com/cat.jpg?versionId=3",
        ),
        (
            f"https://proxy.example/fetch?url=https%3A%2F%2Fa.example%2Fc%3Fsig%3D{SECRET[:6]}",
            "https://proxy.example/fetch",
        ),
        ("not a url", "not a url"),
        ("https://user:p#w@example.com/cat.jpg", "example.com/cat.jpg"),
        ("https:///user:pw@example.com/cat.jpg?token=x", "example.com/cat.jpg"),
        ("ftp://user:pw@example.com/cat.jpg", "example.com/cat.jpg"),
        ("https://user:pw@exam\u2100ple.com/?token=x", "exam\u2100ple.com/"),
    ],
)
def test_a_source_is_the_url_without_what_opens_it(url: str, source: str | None) -> None:
    assert source_of(url) == (url if source is None else source)


@given(names, paths, st.lists(harmless), st.sampled_from("&;"), st.booleans())
def test_a_secret_in_a_query_is_neither_in_the_source_nor_in_a_log_line(
    name: str, path: str, others: list[str], separator: str, is_quoted: bool
) -> None:
    value = quote(f"{SECRET}/+==", safe="") if is_quoted else SECRET
    for secret in (value, "s3cr3t", "1234567"):
        query = separator.join([*others, f"{name}={secret}", *others])
        url = f"https://example.com{path}?{query}"
        assert secret not in source_of(url)
        assert secret not in without_secrets(f"Fetching {url} failed")


@given(
    st.text(alphabet="abcXYZ019:/?#@%&;=.[]\\ \té\U0001f600\ud800"),
    st.sampled_from(["", "http://", "https://"]),
)
@example("user:p#w@host/x", "https://")
@example("/user:pw@host/", "https://")
def test_the_source_of_any_text_is_its_own_source_and_has_no_credentials(
    text: str, scheme: str
) -> None:
    source = source_of(scheme + text)
    assert source_of(source) == source
    assert "#" not in source
    assert not re.match(r"https?://[^/?#]*@", source)
    assert len(source.encode("utf-8", "replace")) <= MAX_SOURCE_BYTES


@given(st.lists(st.integers(0, 3 * MAX_SOURCE_BYTES), max_size=40), st.sampled_from("aé\U0001f600"))
def test_the_sources_of_an_image_are_bounded_in_bytes_and_the_first_ones_stay(
    lengths: list[int], character: str
) -> None:
    sources: tuple[str, ...] = ("https://owner.example/cat.jpg",)
    for number, length in enumerate(lengths):
        before = set(sources)
        sources = bounded_sources(sources, [f"https://h{number}.example/{character * length}"])
        assert before <= set(sources)
    assert len(sources) <= MAX_SOURCES
    assert sum(len(source.encode()) for source in sources) <= MAX_SOURCES_BYTES


def test_a_url_that_is_too_long_loses_its_query_and_then_its_path() -> None:
    long = "a" * MAX_SOURCE_BYTES
    assert source_of(f"https://example.com/cat?q={'b-' * 1500}") == "https://example.com/cat"
    assert source_of(f"https://example.com/{long}?q=1") == "https://example.com"
