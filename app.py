"""Image recognition: every trigger, in the order in which data meets them.

POST /images -> S3 -> (SNS, SQS) -> Rekognition -> DynamoDB -> (SNS, SQS) -> XML to a third party.
What each trigger does is in chalicelib; here is only what sets it off.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from chalice.app import (
    AuthRequest,
    AuthResponse,
    Chalice,
    CloudWatchEvent,
    Rate,
    Request,
    Response,
    S3Event,
    SQSEvent,
)

from chalicelib.api import query_parameters as page_requests
from chalicelib.api import request_bodies as requests_in
from chalicelib.api import responses as representation
from chalicelib.api.idempotency import RouteResponse
from chalicelib.aws import observability
from chalicelib.aws.sqs_queue import Message, messages_of
from chalicelib.catalog.usage import usage_values
from chalicelib.intake.batches import batch_values
from chalicelib.integration import xml_document as integration_xml
from chalicelib.model import errors, events
from chalicelib.model.identity import IMAGES_PREFIX, is_image_id
from chalicelib.model.image import Image
from chalicelib.services import Services
from chalicelib.settings import Settings

settings = Settings.from_environment()
services = Services(settings)

app = Chalice(app_name="image-recognition", configure_logs=False)
app.api.binary_types = [*app.api.binary_types, *requests_in.IMAGE_CONTENT_TYPES]
observability.configure_logging(settings.log_level, app.log)


@app.middleware("all")
def observe(event: Any, get_response: Callable[[Any], Any]) -> Any:
    """Around every trigger: logs and metrics."""
    return observability.observe(event, get_response)


@app.authorizer(ttl_seconds=60)
def authorize(request: AuthRequest) -> AuthResponse:
    """Whoever sends a known token may call every route."""
    name = services.tokens.name_of(request.token)
    return AuthResponse(routes=["*"] if name else [], principal_id=name or "nobody")


@app.route("/health", methods=["GET"])
def get_health() -> dict[str, str]:
    """The functions are deployed and their settings are complete; open to everybody."""
    return {"status": "ok"}


@app.route("/images", methods=["POST"], authorizer=authorize, content_types=["*/*"])
def create_image() -> Response:
    """Take in a picture, at a URL or in the body: 202 with a new image, 200 with a known one."""

    def answer() -> RouteResponse:
        if requests_in.has_image_body(_request().headers):
            features = requests_in.query_features(
                _request().query_params, settings.default_features
            )
            accepted = services.intake.accept_content(_body(), features)
        else:
            url, features = requests_in.image_request(_body(), settings.default_features)
            accepted = services.intake.accept_url(url, features)
        values = representation.image_values(accepted.image)
        return RouteResponse(
            202 if accepted.is_new else 200, values, f"/images/{accepted.image.id}"
        )

    return _answer_once(answer)


@app.route("/uploads", methods=["POST"], authorizer=authorize, content_types=["*/*"])
def create_upload() -> Response:
    """A form with which a file goes straight to S3: 201 with its address and fields."""

    def answer() -> RouteResponse:
        features = requests_in.upload_features(_body(), settings.default_features)
        form = services.uploads.begin(features)
        return RouteResponse(201, representation.upload_form_values(form), f"/uploads/{form.id}")

    return _answer_once(answer)


@app.route("/uploads/{upload_id}", methods=["GET"], authorizer=authorize)
def get_upload(upload_id: str) -> dict[str, object]:
    """What became of an upload: WAITING, STORED with the image's id, REFUSED with the reason."""
    return representation.upload_values(services.uploads.find(upload_id))


@app.route("/batches", methods=["POST"], authorizer=authorize, content_types=["*/*"])
def create_batch() -> Response:
    """Accept many URLs at once: 202 with the batch; they are fetched from a queue."""

    def answer() -> RouteResponse:
        urls, features = requests_in.batch_request(_body(), settings.default_features)
        batch = services.batches.begin(urls, features)
        return RouteResponse(202, batch_values(batch, {}), f"/batches/{batch.id}")

    return _answer_once(answer)


@app.route("/batches/{batch_id}", methods=["GET"], authorizer=authorize)
def get_batch(batch_id: str) -> dict[str, object]:
    """How far a batch is, and why what failed did."""
    batch = services.batches.find(batch_id)
    statuses = services.catalog_pages.statuses(
        entry.image_id for entry in batch.entries if entry.image_id
    )
    return batch_values(batch, statuses)


@app.route("/images", methods=["GET"], authorizer=authorize)
def list_images() -> dict[str, object]:
    """A page of images: newest first, or best first under labels."""
    request = page_requests.page_request(_parameters())
    page = services.catalog_pages.page(request)
    if not page.images:
        services.known_labels.require(request.labels)
    return {
        "images": [representation.image_summary(image) for image in page.images],
        "cursor": page.cursor,
    }


@app.route("/labels", methods=["GET"], authorizer=authorize)
def list_labels() -> dict[str, object]:
    """A page of the labels that images have, by name, with how many images have each."""
    page = services.label_counts.page(*page_requests.label_page_request(_parameters()))
    return representation.label_page_values(page)


@app.route("/images/{image_id}", methods=["GET"], authorizer=authorize)
def get_image(image_id: str) -> Response:
    """Everything known of an image; as the third party's XML where Accept asks for it."""
    image = _known_image(image_id)
    if "application/xml" in _request().headers.get("accept", ""):
        xml = integration_xml.document(image).decode()
        return Response(body=xml, headers={"Content-Type": "application/xml"})
    return Response(body=representation.image_values(image))


@app.route("/images/{image_id}/content", methods=["GET"], authorizer=authorize)
def get_content(image_id: str) -> Response:
    """The picture itself: 302 to where S3 gives it, for some minutes."""
    url = services.store.presigned_url(_known_image(image_id).id)
    return Response("", status_code=302, headers={"Location": url, "Cache-Control": "no-store"})


@app.route("/images/{image_id}", methods=["DELETE"], authorizer=authorize)
def delete_image(image_id: str) -> Response:
    """Remove the picture: 202, because S3 tells it to what forgets the image's rows."""
    services.store.delete(_known_image(image_id).id)
    return Response({"id": image_id}, status_code=202)


@app.route(
    "/images/{image_id}/recognitions", methods=["POST"], authorizer=authorize, content_types=["*/*"]
)
def create_recognition(image_id: str) -> Response:
    """Recognize more of an image: 202 while some of it is pending, 200 where all is known."""

    def answer() -> RouteResponse:
        features = requests_in.further_features(_body())
        is_pending = services.recognition_requests.begin(image_id, features)
        values = representation.image_values(_known_image(image_id))
        return RouteResponse(202 if is_pending else 200, values, f"/images/{image_id}")

    return _answer_once(answer)


@app.route(
    "/images/{image_id}/deliveries", methods=["POST"], authorizer=authorize, content_types=["*/*"]
)
def create_delivery(image_id: str) -> Response:
    """Send an image's result to the third party once more: 202 with the image."""

    def answer() -> RouteResponse:
        services.redelivery.begin(image_id)
        values = representation.image_values(_known_image(image_id))
        return RouteResponse(202, values, f"/images/{image_id}")

    return _answer_once(answer)


@app.route("/usage", methods=["GET"], authorizer=authorize)
def get_usage() -> dict[str, object]:
    """What Rekognition was asked in a month, what that costs, and what identity saved."""
    month = requests_in.month(_request().query_params, datetime.now(UTC))
    return usage_values(services.usage.of_month(month), settings.rekognition_prices)


@app.route("/schemas/image-recognition.xsd", methods=["GET"])
def get_schema() -> Response:
    """The XML Schema of what the third party gets; open to everybody."""
    return Response(integration_xml.schema(), headers={"Content-Type": "application/xml"})


@app.on_sqs_message(queue=settings.intake_queue_name, batch_size=10)
def take_in_pictures(event: SQSEvent) -> None:
    """S3 told the intake queue that uploads arrived; POST /batches put URLs there."""
    queue = services.intake_queue
    waiting = services.queued_images

    def take_in(message: Message) -> None:
        waiting.take_in(message.body, last_try=queue.is_last_receive(message))

    queue.process(messages_of(event.to_dict()), take_in)


@app.on_sqs_message(
    queue=settings.recognition_queue_name,
    batch_size=10,
    maximum_concurrency=settings.recognition_concurrency,
)
def recognize_images(event: SQSEvent) -> None:
    """S3 told the uploads topic, and that the recognition queue, that images were stored."""
    queue = services.recognition_queue
    recognition = services.recognition

    def recognize(message: Message) -> None:
        for image_id in events.images_to_recognize(message.body):
            recognition.recognize(image_id, last_try=queue.is_last_receive(message))

    queue.process(messages_of(event.to_dict()), recognize, settings.recognitions_at_once)


@app.schedule(Rate(15, unit=Rate.MINUTES))
def reconcile(_event: CloudWatchEvent) -> None:
    """Now and then: what has waited too long, or was never heard of, is put back to work."""
    services.reconciliation.run()


# At most 5 times 10 requests at once are the third party's share, whatever has piled up.
@app.on_sqs_message(queue=settings.integration_queue_name, batch_size=10, maximum_concurrency=5)
def deliver_results(event: SQSEvent) -> None:
    """The results topic told the integration queue that images have a result."""
    queue = services.integration_queue
    delivery = services.delivery

    def deliver(message: Message) -> None:
        result = events.parse_result_event(message.body)
        delivery.deliver(
            result,
            receive_count=message.receive_count,
            last_try=queue.is_last_receive(message),
        )

    queue.process(messages_of(event.to_dict()), deliver)


@app.on_s3_event(
    bucket=settings.images_bucket_name, events=["s3:ObjectRemoved:*"], prefix=IMAGES_PREFIX
)
def forget_removed_image(event: S3Event) -> None:
    """S3 tells that an object was removed."""
    for image_id in events.image_ids_of_notification(event.to_dict()):
        services.removal.forget(image_id)


def _known_image(image_id: str) -> Image:
    image = services.catalog.find(image_id) if is_image_id(image_id) else None
    if image is None:
        raise errors.ImageNotFound(
            f"There is no image {image_id!r}. GET /images lists the images there are."
        )
    return image


def _answer_once(answer: Callable[[], RouteResponse]) -> Response:
    """The answer, or that of the first request with the same Idempotency-Key."""
    request = _request()
    key = request.headers.get("idempotency-key")
    if key is None:
        given = answer()
    else:
        given = services.idempotent_requests.once(
            key,
            caller=request.context.get("authorizer", {}).get("principalId", ""),
            request=requests_in.fingerprint(request.method, request.path, _body()),
            context=app.lambda_context,
            answer=answer,
        )
    # On AWS the stage's name comes before the path.
    prefix = request.context.get("path", "").removesuffix(request.path)
    headers: dict[str, str | list[str]] = {"Content-Type": "application/json"}
    if given.location:
        headers["Location"] = prefix + given.location
    return Response(body=given.body, status_code=given.status_code, headers=headers)


def _request() -> Request:
    """The request that a route answers."""
    if app.current_request is None:
        raise RuntimeError("There is no request outside of a route.")
    return app.current_request


def _parameters() -> dict[str, list[str]]:
    """The query parameters, each with all of its values."""
    given = _request().query_params
    return {name: given.getlist(name) for name in given} if given else {}


def _body() -> bytes:
    """The body; API Gateway hands on as text what it does not hold for binary."""
    body = _request().raw_body
    return body.encode() if isinstance(body, str) else body
