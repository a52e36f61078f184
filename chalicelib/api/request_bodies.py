"""What callers send, checked: bodies and query parameters to values."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from chalicelib.intake.batches import MAX_URLS
from chalicelib.intake.fetching.image_urls import LONGEST_URL
from chalicelib.model.errors import InvalidRequest
from chalicelib.model.findings import Feature

# Under these API Gateway hands a body on byte for byte.
IMAGE_CONTENT_TYPES = (
    "image/jpeg",
    "image/png",
    "image/webp",
    "image/avif",
    "image/heic",
    "image/heif",
    "image/gif",
    "image/tiff",
    "image/bmp",
    "application/octet-stream",
)

_EXAMPLE = '{"url": "https://example.com/cat.jpg"}'
_BATCH_EXAMPLE = '{"urls": ["https://example.com/cat.jpg", "https://example.com/dog.jpg"]}'
_FEATURES_EXAMPLE = '{"features": ["TEXT", "FACES"]}'


Features = tuple[Feature, ...]


def image_request(body: bytes, default: Features) -> tuple[str, Features]:
    """The URL and the features in the body of `POST /images`."""
    values = _fields(body, _EXAMPLE, {"url", "features"})
    url = values.get("url")
    if not isinstance(url, str) or not url.strip():
        raise InvalidRequest(f"The body must have the image's URL as text, such as {_EXAMPLE}.")
    return url.strip(), _features(values, default)


def query_features(parameters: Mapping[str, str] | None, default: Features) -> Features:
    """The features in the query of `POST /images` with a picture as its body."""
    given = dict(parameters or {})
    _refuse_unknown("query parameters", given, {"features"})
    if "features" not in given:
        return default
    return _known_features([name.strip() for name in given["features"].split(",")])


def upload_features(body: bytes, default: Features) -> Features:
    """The features in the body of `POST /uploads`, which may be empty."""
    return _features(_fields(body or b"{}", _FEATURES_EXAMPLE, {"features"}), default)


def batch_request(body: bytes, default: Features) -> tuple[list[str], Features]:
    """The URLs and the features in the body of `POST /batches`.

    Whether a URL can be fetched shows when it is.
    """
    values = _fields(body, _BATCH_EXAMPLE, {"urls", "features"})
    return _batch_urls(values.get("urls")), _features(values, default)


def further_features(body: bytes) -> tuple[Feature, ...]:
    """The features in the body of `POST /images/{id}/recognitions`."""
    return _known_features(_fields(body, _FEATURES_EXAMPLE, {"features"}).get("features"))


def month(parameters: Mapping[str, str] | None, now: datetime) -> str:
    """The month that `GET /usage` asks for, such as 2026-11; without one the present."""
    given = dict(parameters or {})
    _refuse_unknown("query parameters", given, {"month"})
    asked = given.get("month", f"{now:%Y-%m}")
    if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", asked):
        raise InvalidRequest(f"month is {asked!r}, but must be a year and a month such as 2026-11.")
    return asked


def has_image_body(headers: Mapping[str, str]) -> bool:
    """Whether a request's body is meant for a picture; else it should be JSON.

    Which kind it is shows from its bytes: the header only has to say that it is no JSON.
    """
    content_type = headers.get("content-type", "").split(";")[0].strip().lower()
    return content_type.startswith("image/") or content_type in IMAGE_CONTENT_TYPES


def fingerprint(method: str, path: str, body: bytes) -> str:
    """What a request asks, as a short text."""
    return f"{method} {path} {hashlib.sha256(body).hexdigest()}"


def _batch_urls(urls: object) -> list[str]:
    if not isinstance(urls, list):
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


def _features(values: Mapping[str, Any], default: Features) -> Features:
    return _known_features(values["features"]) if "features" in values else default


def _known_features(names: object) -> tuple[Feature, ...]:
    allowed = ", ".join(Feature)
    if not isinstance(names, list) or not names:
        raise InvalidRequest(
            f"features is {names!r:.200}, but must be a list of one or more of {allowed}."
        )
    for name in names:
        if name not in list(Feature):
            raise InvalidRequest(f"There is no feature {name!r:.200}. There are: {allowed}.")
    return tuple(feature for feature in Feature if feature in names)


def _fields(body: bytes, example: str, allowed: set[str]) -> dict[str, Any]:
    values = _json_object(body, example)
    _refuse_unknown("fields", values, allowed)
    return values


def _refuse_unknown(what: str, given: Iterable[str], allowed: set[str]) -> None:
    unknown = sorted(set(given) - allowed)
    if unknown:
        raise InvalidRequest(f"Unknown {what} {unknown}. There are: {', '.join(sorted(allowed))}.")


def _json_object(body: bytes, example: str) -> dict[str, Any]:
    try:
        values = json.loads(body)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise InvalidRequest(f"The body must be a JSON object such as {example}.")
    return values
