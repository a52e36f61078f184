"""What callers get: the status, body and headers of every response.

A body is made of plain values: the same dataclasses as the third party's XML, as JSON.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from chalice.app import Response

from chalicelib.catalog.labels import LabelPage
from chalicelib.catalog.pages import Page
from chalicelib.catalog.usage import MonthUsage
from chalicelib.integration import xml_document
from chalicelib.model.documents import result_values
from chalicelib.model.findings import Feature
from chalicelib.model.image import Image, Status
from chalicelib.model.serialization import timestamp, to_plain

if TYPE_CHECKING:
    from chalicelib.intake.accept import Accepted
    from chalicelib.intake.batches import Batch, BatchEntry
    from chalicelib.intake.uploads import Upload, UploadForm

Values = dict[str, Any]


@dataclass(frozen=True)
class RouteResponse:
    """The response of a POST route, in JSON values only, so that it can be kept and repeated.

    `location` is the path of what the request made, without the stage's prefix.
    """

    status_code: int
    body: Values
    location: str | None = None

    def rendered(self, stage_prefix: str) -> Response:
        """The response as Chalice sends it, with a Location that begins with the stage's prefix."""
        headers: dict[str, str | list[str]] = {"Content-Type": "application/json"}
        if self.location:
            headers["Location"] = stage_prefix + self.location
        return Response(body=self.body, status_code=self.status_code, headers=headers)


def image_accepted(accepted: "Accepted") -> RouteResponse:
    """202 with a new image, 200 with everything known of a known one."""
    image = accepted.image
    return RouteResponse(202 if accepted.is_new else 200, image_values(image), _path(image.id))


def recognition_requested(image: Image, *, is_pending: bool) -> RouteResponse:
    """202 while a requested feature is pending, 200 where all of them are known."""
    return RouteResponse(202 if is_pending else 200, image_values(image), _path(image.id))


def delivery_requested(image: Image) -> RouteResponse:
    """202 with the image and its new delivery."""
    return RouteResponse(202, image_values(image), _path(image.id))


def upload_created(form: "UploadForm") -> RouteResponse:
    """201 with a form: POST its fields and the file, as `multipart/form-data`, to its URL."""
    return RouteResponse(201, to_plain(form), f"/uploads/{form.id}")


def batch_created(batch: "Batch") -> RouteResponse:
    """202 with a batch of which every URL is pending."""
    return RouteResponse(202, batch_values(batch, {}), f"/batches/{batch.id}")


def image_response(image: Image, accept: str) -> Response:
    """Everything known of an image: JSON, or the third party's XML where `accept` names it."""
    if "application/xml" in accept:
        return xml(xml_document.document(image).decode())
    return Response(body=image_values(image))


def xml(text: str) -> Response:
    """An XML document."""
    return Response(text, headers={"Content-Type": "application/xml"})


def redirect(url: str) -> Response:
    """302 to a URL that is valid for minutes, so it must not be cached."""
    return Response("", status_code=302, headers={"Location": url, "Cache-Control": "no-store"})


def image_values(image: Image) -> Values:
    """Everything known of an image; `delivery` is the last of its `deliveries`."""
    deliveries = to_plain(image.deliveries)
    last = deliveries[-1] if deliveries else None
    return result_values(image) | {"delivery": last, "deliveries": deliveries}


def image_page(page: Page) -> Values:
    """A page of images, each with its labels' names and confidences, and the next page's cursor."""
    return {"images": to_plain(page.images), "cursor": page.cursor}


def label_page(page: LabelPage) -> Values:
    """A page of labels and their counts, and the next page's cursor."""
    return to_plain(page)  # type: ignore[no-any-return]


def upload_values(upload: "Upload") -> Values:
    """The state of an upload."""
    return to_plain(upload)  # type: ignore[no-any-return]


def batch_values(batch: "Batch", statuses: Mapping[str, Status]) -> Values:
    """How far a batch is; `statuses` are those of its images that still exist, by id."""
    outcomes = Counter(_outcome(entry, statuses) for entry in batch.entries)
    return {
        "id": batch.id,
        "created_at": timestamp(batch.created_at),
        "total": batch.total,
        "pending": batch.total - len(batch.entries) + outcomes["pending"],
        "recognized": outcomes["recognized"],
        "failed": outcomes["failed"],
        "removed": outcomes["removed"],
        "images": [
            {"number": entry.number, "url": entry.url, "image_id": entry.image_id}
            for entry in batch.entries
            if entry.image_id
        ],
        "failures": [
            {"number": entry.number, "url": entry.url, **asdict(entry.failure)}
            for entry in batch.entries
            if entry.failure
        ],
    }


def usage_values(usage: MonthUsage, prices: Mapping[Feature, float]) -> Values:
    """The usage and cost of a month; `prices` are US dollars per image."""

    def price(images: Mapping[Feature, int]) -> float:
        return round(sum(prices[feature] * count for feature, count in images.items()), 6)

    return {
        "month": usage.month,
        "currency": "USD",
        "operations": [
            {
                "operation": each.operation,
                "calls": each.calls,
                "images": to_plain(each.images),
                "price": price(each.images),
            }
            for each in usage.operations
        ],
        "calls": sum(each.calls for each in usage.operations),
        "price": round(sum(price(each.images) for each in usage.operations), 6),
        "saved": {"images": to_plain(usage.saved), "price": price(usage.saved)},
        "price_list": to_plain(prices),
    }


def _outcome(entry: "BatchEntry", statuses: Mapping[str, Status]) -> str:
    """Which of a batch's counts an entry adds to: an image can also fail in recognition."""
    if entry.image_id is None:
        return "failed"
    if entry.image_id not in statuses:
        return "removed"
    return statuses[entry.image_id].lower()


def _path(image_id: str) -> str:
    return f"/images/{image_id}"
