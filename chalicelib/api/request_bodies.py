"""Parses and validates request bodies."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chalicelib.api import query_parameters
from chalicelib.api.current_request import CurrentRequest
from chalicelib.api.features import parse_features
from chalicelib.api.query_parameters import FAILURE_CODE_FORM, is_failure_code
from chalicelib.intake.fetching.image_urls import MAX_URL_BYTES
from chalicelib.model.errors import InvalidRequest
from chalicelib.model.findings import Feature
from chalicelib.model.image import NewImage
from chalicelib.model.texts import fits, is_unicode

MAX_URLS = 1000  # of a batch

# API Gateway passes bodies of these types on as binary data.
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
_FAILURE_EXAMPLE = '{"failure": "RekognitionUnavailable"}'
_FEATURES_EXAMPLE = '{"features": ["TEXT", "FACES"]}'


Features = tuple[Feature, ...]


def new_image(request: CurrentRequest, default: Features) -> NewImage:
    """The image of a `POST /images`: its URL in a JSON body, or its bytes as the body.

    An image Content-Type or one of IMAGE_CONTENT_TYPES means bytes; every other means JSON. The
    bytes, not the Content-Type, determine the kind of image. Without features in the request, the
    image gets `default`. Raises InvalidRequest.
    """
    return replace(_new_image(request, default), requested_by=request.caller)


def _new_image(request: CurrentRequest, default: Features) -> NewImage:
    content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if content_type.startswith("image/") or content_type in IMAGE_CONTENT_TYPES:
        return NewImage(query_parameters.features(request.query, default), content=request.body)
    return image_at_url(request.body, default)


def image_at_url(body: bytes, default: Features) -> NewImage:
    """The URL and features in the JSON body of a `POST /images`; raises InvalidRequest."""
    values = _fields(body, _EXAMPLE, {"url", "features"})
    url = values.get("url")
    if not isinstance(url, str) or not url.strip():
        raise InvalidRequest(
            f"The body must contain the image's URL as a string, such as {_EXAMPLE}."
        )
    if not is_unicode(url):
        raise InvalidRequest(f"The URL is {url!r:.100}, which has half of a surrogate pair.")
    return NewImage(_features(values, default), url=url.strip())


def upload_features(body: bytes, default: Features) -> Features:
    """The features in the body of a `POST /uploads`, which may be empty; raises InvalidRequest."""
    return _features(_fields(body or b"{}", _FEATURES_EXAMPLE, {"features"}), default)


def batch_request(body: bytes, default: Features) -> tuple[list[str], Features]:
    """The 1 to MAX_URLS URLs and the features in the body of a `POST /batches`.

    Checks only that each URL is a text that fits: an invalid URL becomes a failure of its entry
    when it is fetched. Raises InvalidRequest.
    """
    values = _fields(body, _BATCH_EXAMPLE, {"urls", "features"})
    return _batch_urls(values.get("urls")), _features(values, default)


def further_features(body: bytes) -> tuple[Feature, ...]:
    """The features in the body of a `POST /images/{id}/recognitions`; raises InvalidRequest."""
    return parse_features(_fields(body, _FEATURES_EXAMPLE, {"features"}).get("features"))


def failed_recognitions(body: bytes) -> tuple[str, str | None]:
    """The failure code and the cursor in the body of a `POST /recognitions`.

    Without a cursor, None. Raises InvalidRequest.
    """
    values = _fields(body, _FAILURE_EXAMPLE, {"failure", "cursor"})
    code, cursor = values.get("failure"), values.get("cursor")
    if not isinstance(code, str) or not is_failure_code(code):
        raise InvalidRequest(f"failure is {code!r:.100}, but must be {FAILURE_CODE_FORM}.")
    if cursor is not None and not isinstance(cursor, str):
        raise InvalidRequest(
            f"cursor is {cursor!r:.100}, but must be the cursor of the previous response."
        )
    return code, cursor


def _batch_urls(urls: object) -> list[str]:
    if not isinstance(urls, list):
        raise InvalidRequest(f"The body must be a JSON object such as {_BATCH_EXAMPLE}.")
    if not 1 <= len(urls) <= MAX_URLS:
        raise InvalidRequest(
            f"The batch has {len(urls)} URLs, but must have 1 to {MAX_URLS}. Split a larger batch."
        )
    for index, url in enumerate(urls):
        if not isinstance(url, str) or not url or not fits(url, MAX_URL_BYTES):
            raise InvalidRequest(
                f"Entry {index} of urls is {url!r:.100}, but each must be a string of 1 to "
                f"{MAX_URL_BYTES} bytes in UTF-8, without half of a surrogate pair."
            )
    return urls


def _features(values: Mapping[str, Any], default: Features) -> Features:
    return parse_features(values["features"]) if "features" in values else default


def _fields(body: bytes, example: str, allowed: set[str]) -> dict[str, Any]:
    values = _json_object(body, example)
    unknown = sorted(set(values) - allowed)
    if unknown:
        raise InvalidRequest(
            f"Unknown fields {unknown!s:.200}. Allowed fields: {', '.join(sorted(allowed))}."
        )
    return values


def _json_object(body: bytes, example: str) -> dict[str, Any]:
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):  # the latter for lists in lists in lists …
        values = None
    if not isinstance(values, dict):
        raise InvalidRequest(f"The body must be a JSON object such as {example}.")
    return values
