"""What callers send in a request's body, checked."""

import json
from collections.abc import Mapping
from typing import Any

from chalicelib.api import query_parameters
from chalicelib.api.current_request import CurrentRequest
from chalicelib.api.features import known_features
from chalicelib.intake.batches import MAX_URLS
from chalicelib.intake.fetching.image_urls import LONGEST_URL
from chalicelib.model.errors import InvalidRequest
from chalicelib.model.findings import Feature
from chalicelib.model.image import NewImage

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


def new_image(request: CurrentRequest, default: Features) -> NewImage:
    """The image that `POST /images` sends: its URL in a JSON body, or its content as the body.

    The Content-Type decides which; the kind of image shows from its bytes.
    """
    content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if content_type.startswith("image/") or content_type in IMAGE_CONTENT_TYPES:
        return NewImage(query_parameters.features(request.query, default), content=request.body)
    return image_at_url(request.body, default)


def image_at_url(body: bytes, default: Features) -> NewImage:
    """The image's URL and the features in a JSON body of `POST /images`."""
    values = _fields(body, _EXAMPLE, {"url", "features"})
    url = values.get("url")
    if not isinstance(url, str) or not url.strip():
        raise InvalidRequest(f"The body must have the image's URL as text, such as {_EXAMPLE}.")
    return NewImage(_features(values, default), url=url.strip())


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
    return known_features(_fields(body, _FEATURES_EXAMPLE, {"features"}).get("features"))


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
    return known_features(values["features"]) if "features" in values else default


def _fields(body: bytes, example: str, allowed: set[str]) -> dict[str, Any]:
    values = _json_object(body, example)
    unknown = sorted(set(values) - allowed)
    if unknown:
        raise InvalidRequest(
            f"Unknown fields {unknown}. The body may have: {', '.join(sorted(allowed))}."
        )
    return values


def _json_object(body: bytes, example: str) -> dict[str, Any]:
    try:
        values = json.loads(body)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise InvalidRequest(f"The body must be a JSON object such as {example}.")
    return values
