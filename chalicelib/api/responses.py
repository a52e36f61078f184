"""How an image is shown: plain values for JSON, and for the XML that is made of the same."""

from typing import TYPE_CHECKING, Any

from chalicelib.catalog.labels import LabelPage
from chalicelib.model.documents import result_values
from chalicelib.model.image import Image, ImageSummary
from chalicelib.model.serialization import to_plain

if TYPE_CHECKING:
    from chalicelib.intake.uploads import Upload, UploadForm


def image_values(image: Image) -> dict[str, Any]:
    """Everything known of an image; `delivery` is the last of its `deliveries`."""
    deliveries = to_plain(image.deliveries)
    last = deliveries[-1] if deliveries else None
    return result_values(image) | {"delivery": last, "deliveries": deliveries}


def image_summary(image: ImageSummary) -> dict[str, Any]:
    """An image as one of a list: its labels by name and confidence alone."""
    return to_plain(image)  # type: ignore[no-any-return]


def label_page_values(page: LabelPage) -> dict[str, Any]:
    """A page of labels and their counts."""
    return to_plain(page)  # type: ignore[no-any-return]


def upload_form_values(form: "UploadForm") -> dict[str, Any]:
    """A form for one file: POST the fields and the file, as `multipart/form-data`, to the URL."""
    return to_plain(form)  # type: ignore[no-any-return]


def upload_values(upload: "Upload") -> dict[str, Any]:
    """What became of an upload."""
    return to_plain(upload)  # type: ignore[no-any-return]
