"""The status, body and headers of every HTTP response.

A body holds JSON values. They come from the same dataclasses as the third party's XML.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from chalice.app import Response

from chalicelib.integration import xml_document
from chalicelib.model.documents import result_values
from chalicelib.model.findings import Feature
from chalicelib.model.image import Image, Status
from chalicelib.model.serialization import timestamp, to_plain

if TYPE_CHECKING:
    from chalicelib.catalog.labels import LabelPage
    from chalicelib.catalog.pages import Page
    from chalicelib.catalog.usage import MonthUsage
    from chalicelib.intake.accept import Accepted
    from chalicelib.intake.batch_messages import BatchEntry
    from chalicelib.intake.batches import Batch
    from chalicelib.intake.upload_records import Upload
    from chalicelib.intake.uploads import UploadForm
    from chalicelib.recognition.recognition_requests import RequestedAgain

Values = dict[str, Any]


@dataclass(frozen=True)
class RouteResponse:
    """The response of a POST route.

    `body` has JSON values only. `location` is the path of the resource in `body`, without the
    stage's prefix.
    """

    status_code: int
    body: Values
    location: str

    def rendered(self, stage_prefix: str) -> Response:
        """The Chalice response; `stage_prefix`, such as `/api`, precedes the path in Location."""
        headers: dict[str, str | list[str]] = {
            "Content-Type": "application/json",
            "Location": stage_prefix + self.location,
        }
        return Response(body=self.body, status_code=self.status_code, headers=headers)


def image_accepted(accepted: "Accepted") -> RouteResponse:
    """202 with a new image, or 200 with everything known about an existing one."""
    image = accepted.image
    return RouteResponse(202 if accepted.is_new else 200, image_values(image), _path(image.id))


def recognition_requested(image: Image, *, is_pending: bool) -> RouteResponse:
    """202 while a requested feature is pending, or 200 once all of them are recognized."""
    return RouteResponse(202 if is_pending else 200, image_values(image), _path(image.id))


def recognitions_requested(requested: "RequestedAgain") -> Response:
    """202 with the number of images that are recognized again, and the next request's cursor."""
    return Response({"requested": requested.images, "cursor": requested.cursor}, status_code=202)


def delivery_requested(image: Image) -> RouteResponse:
    """202 with the image and its new delivery."""
    return RouteResponse(202, image_values(image), _path(image.id))


def upload_created(form: "UploadForm") -> RouteResponse:
    """201 with a form.

    The caller sends the form's fields and the file to its URL in a `multipart/form-data` POST.
    """
    return RouteResponse(201, form_values(form), f"/uploads/{form.id}")


def batch_created(batch: "Batch") -> RouteResponse:
    """202 with a batch whose URLs are pending, but for those that its queue refused."""
    return RouteResponse(202, batch_values(batch, {}), f"/batches/{batch.id}")


def image_response(image: Image, accept: str) -> Response:
    """Everything known about an image.

    The body is the third party's XML if the Accept header names `application/xml`, else JSON.
    """
    if "application/xml" in accept:
        return xml(xml_document.document(image).decode())
    return Response(body=image_values(image))


def xml(text: str) -> Response:
    """200 with an XML document."""
    return Response(text, headers={"Content-Type": "application/xml"})


def redirect(url: str) -> Response:
    """302 to a URL that expires within minutes, so the response must not be cached."""
    return Response("", status_code=302, headers={"Location": url, "Cache-Control": "no-store"})


def image_values(image: Image) -> Values:
    """Everything known about an image; `delivery` is the last of its `deliveries`, or None."""
    # Callers do not see the names of each other's tokens.
    deliveries = [_without_requester(to_plain(each)) for each in image.deliveries]
    last = deliveries[-1] if deliveries else None
    return result_values(image) | {"delivery": last, "deliveries": deliveries}


def image_page(page: "Page") -> Values:
    """A page of images with their labels' names and confidences, and the next page's cursor."""
    return {"images": to_plain(page.images), "cursor": page.cursor}


def label_page(page: "LabelPage") -> Values:
    """A page of labels and their counts, and the next page's cursor."""
    return to_plain(page)  # type: ignore[no-any-return]


def form_values(form: "UploadForm") -> Values:
    """A form's URL, fields and limits."""
    return to_plain(form)  # type: ignore[no-any-return]


def upload_values(upload: "Upload") -> Values:
    """An upload's status, features, and image id or failure."""
    return _without_requester(to_plain(upload))


def batch_values(batch: "Batch", statuses: Mapping[str, Status]) -> Values:
    """A batch's progress; `statuses` maps the id of each image that still exists to its status."""
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


def usage_values(usage: "MonthUsage", prices: Mapping[Feature, float], caller: str) -> Values:
    """A month's usage and cost, and the share of the caller's token; `caller` is its name.

    `prices` are in US dollars per image and feature.
    """
    from chalicelib.catalog.usage import price_of

    def price(images: Mapping[Feature, int]) -> float:
        return price_of(images, prices)

    own = usage.by_token.get(caller, {})
    return {
        "month": usage.month,
        "currency": "USD",
        "operations": [
            {
                "operation": operation.operation,
                "calls": operation.calls,
                "images": to_plain(operation.images),
                "price": price(operation.images),
            }
            for operation in usage.operations
        ],
        "calls": sum(operation.calls for operation in usage.operations),
        "price": price(usage.images),
        "saved": {"images": to_plain(usage.saved), "price": price(usage.saved)},
        # Only its own: callers do not see the names of each other's tokens.
        "token": {"name": caller, "images": to_plain(own), "price": price(own)},
        "price_list": to_plain(prices),
    }


def _without_requester(values: Values) -> Values:
    return {name: value for name, value in values.items() if name != "requested_by"}


def _outcome(entry: "BatchEntry", statuses: Mapping[str, Status]) -> str:
    """The count that an entry belongs to; a stored image can still fail in recognition."""
    if entry.image_id is None:
        return "failed"
    if entry.image_id not in statuses:
        return "removed"
    return statuses[entry.image_id].lower()


def _path(image_id: str) -> str:
    return f"/images/{image_id}"
