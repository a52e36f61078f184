"""How an image is shown: plain values for JSON, and for the XML that is made of the same."""

from dataclasses import asdict, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from chalicelib.model import Image
from chalicelib.uploads import Upload, UploadForm


def image_values(image: Image) -> dict[str, Any]:
    """Everything known of an image."""
    return _plain(asdict(image))  # type: ignore[no-any-return]


def result_values(image: Image) -> dict[str, Any]:
    """An image's result, as the third party gets it: without the state of its own delivery."""
    values = image_values(replace(image, delivery=None))
    del values["delivery"]
    return values


def image_summary(image: Image) -> dict[str, Any]:
    """An image as one of a list: its labels by name and confidence alone."""
    values = image_values(image)
    values["labels"] = [
        {"name": label.name, "confidence": label.confidence} for label in image.labels
    ]
    return values


def upload_form_values(form: UploadForm) -> dict[str, Any]:
    """A form for one file: POST the fields and the file, as `multipart/form-data`, to the URL."""
    return _plain(asdict(form))  # type: ignore[no-any-return]


def upload_values(upload: Upload) -> dict[str, Any]:
    """What became of an upload."""
    return asdict(upload)


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {name: _plain(part) for name, part in value.items()}
        case list() | tuple():
            return [_plain(part) for part in value]
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case Enum():
            return value.value
    return value
