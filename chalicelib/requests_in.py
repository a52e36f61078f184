"""What callers send, checked: bodies and query parameters to values."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from chalicelib.batches import MAX_URLS
from chalicelib.catalog_pages import DEFAULT_LIMIT, MAX_LIMIT, PageRequest
from chalicelib.errors import InvalidRequest
from chalicelib.image_urls import LONGEST_URL

# The kind of a picture shows from its bytes; the header only has to say that it is no JSON.
PICTURE_CONTENT_TYPES = (
    "image/jpeg",
    "image/png",
    "image/webp",
    "image/avif",
    "image/gif",
    "image/tiff",
    "image/bmp",
    "application/octet-stream",
)

_EXAMPLE = '{"url": "https://example.com/cat.jpg"}'
_BATCH_EXAMPLE = '{"urls": ["https://example.com/cat.jpg", "https://example.com/dog.jpg"]}'
_PARAMETERS = {"label", "min_confidence", "limit", "cursor"}


def image_url(body: bytes) -> str:
    """The URL in the body of `POST /images`."""
    values = _json_object(body, _EXAMPLE)
    unknown = sorted(set(values) - {"url"})
    if unknown:
        raise InvalidRequest(f"Unknown fields {unknown}. The body may have: url.")
    url = values.get("url")
    if not isinstance(url, str) or not url.strip():
        raise InvalidRequest(f"The body must have the image's URL as text, such as {_EXAMPLE}.")
    return url.strip()


def is_picture(headers: Mapping[str, str]) -> bool:
    """Whether a request's body is a picture, by its Content-Type; else it should be JSON."""
    return headers.get("content-type", "").split(";")[0].strip().lower() in PICTURE_CONTENT_TYPES


def fingerprint(method: str, path: str, body: bytes) -> str:
    """What a request asks, as a short text."""
    return f"{method} {path} {hashlib.sha256(body).hexdigest()}"


def batch_urls(body: bytes) -> list[str]:
    """The URLs in the body of `POST /batches`; whether each can be fetched shows when it is."""
    values = _json_object(body, _BATCH_EXAMPLE)
    urls = values.get("urls")
    if not isinstance(urls, list) or set(values) != {"urls"}:
        raise InvalidRequest(f"The body must be a JSON object such as {_BATCH_EXAMPLE}.")
    if not 1 <= len(urls) <= MAX_URLS:
        raise InvalidRequest(
            f"The batch has {len(urls)} URLs, but must have 1 to {MAX_URLS}. "
            "Divide a larger one into several."
        )
    for number, url in enumerate(urls):
        if not isinstance(url, str) or not 0 < len(url) <= LONGEST_URL:
            raise InvalidRequest(
                f"Entry {number} of urls is {url!r:.100}, but each must be a text of 1 to "
                f"{LONGEST_URL} characters."
            )
    return urls


def page_request(parameters: Mapping[str, str] | None) -> PageRequest:
    """The query of `GET /images`."""
    given = dict(parameters or {})
    unknown = sorted(set(given) - _PARAMETERS)
    if unknown:
        raise InvalidRequest(
            f"Unknown query parameters {unknown}. There are: {', '.join(sorted(_PARAMETERS))}."
        )
    if "min_confidence" in given and "label" not in given:
        raise InvalidRequest("min_confidence goes with a label: add label=… to the query.")
    label = given.get("label")
    if label is not None and not label.strip():
        raise InvalidRequest("The label is empty. Give a label's name, such as label=Cat.")
    return PageRequest(
        label=label,
        min_confidence=_number(given, "min_confidence", 0, 0, 100),
        limit=int(_number(given, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT, whole=True)),
        cursor=given.get("cursor"),
    )


def _json_object(body: bytes, example: str) -> dict[str, Any]:
    try:
        values = json.loads(body)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise InvalidRequest(f"The body must be a JSON object such as {example}.")
    return values


def _number(
    given: Mapping[str, str],
    name: str,
    default: float,
    least: float,
    most: float,
    *,
    whole: bool = False,
) -> float:
    text = given.get(name)
    if text is None:
        return default
    try:
        value = int(text) if whole else float(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        noun = "a whole number" if whole else "a number"
        raise InvalidRequest(f"{name} is {text!r}, but must be {noun} from {least} to {most}.")
    return value
