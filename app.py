"""Image recognition: every trigger, in the order in which data meets them.

POST /images -> S3 -> (SNS, SQS) -> Rekognition -> DynamoDB -> (SNS, SQS) -> XML to a third party.
What each trigger does is in chalicelib; here is only what sets it off.
"""

from collections.abc import Callable
from typing import Any

from chalice.app import (
    AuthRequest,
    AuthResponse,
    Chalice,
    Request,
    Response,
    S3Event,
    SQSEvent,
)

from chalicelib import (
    errors,
    events,
    integration_xml,
    observability,
    representation,
    requests_in,
)
from chalicelib.batches import batch_values
from chalicelib.idempotency import Answer
from chalicelib.messages import Message, messages_of
from chalicelib.model import is_image_id
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage import KEY_PREFIX

settings = Settings.from_environment()
services = Services(settings)

app = Chalice(app_name="image-recognition", configure_logs=False)
app.api.binary_types = [*app.api.binary_types, *requests_in.PICTURE_CONTENT_TYPES]
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
def tell_health() -> dict[str, str]:
    """The functions are deployed and their settings are complete; open to everybody."""
    return {"status": "ok"}


@app.route("/images", methods=["POST"], authorizer=authorize, content_types=["*/*"])
def create_image() -> Response:
    """Take in a picture, at a URL or in the body: 202 with a new image, 200 with a known one."""

    def answer() -> Answer:
        if requests_in.is_picture(_request().headers):
            accepted = services.intake.accept_content(_body())
        else:
            accepted = services.intake.accept_url(requests_in.image_url(_body()))
        values = representation.image_values(accepted.image)
        return Answer(202 if accepted.is_new else 200, values, f"/images/{accepted.image.id}")

    return _answer_once(answer)


@app.route("/uploads", methods=["POST"], authorizer=authorize, content_types=["*/*"])
def create_upload() -> Response:
    """A form with which a file goes straight to S3: 201 with its address and fields."""

    def answer() -> Answer:
        form = services.uploads.begin()
        return Answer(201, representation.upload_form_values(form), f"/uploads/{form.id}")

    return _answer_once(answer)


@app.route("/uploads/{upload_id}", methods=["GET"], authorizer=authorize)
def get_upload(upload_id: str) -> dict[str, object]:
    """What became of an upload: WAITING, STORED with the image's id, REFUSED with the reason."""
    return representation.upload_values(services.uploads.find(upload_id))


@app.route("/batches", methods=["POST"], authorizer=authorize, content_types=["*/*"])
def create_batch() -> Response:
    """Accept many URLs at once: 202 with the batch; they are fetched from a queue."""

    def answer() -> Answer:
        batch = services.batches.begin(requests_in.batch_urls(_body()))
        return Answer(202, batch_values(batch, {}), f"/batches/{batch.id}")

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
    """A page of images: newest first, or best first under a label."""
    page = services.catalog_pages.page(requests_in.page_request(_request().query_params))
    return {
        "images": [representation.image_summary(image) for image in page.images],
        "cursor": page.cursor,
    }


@app.route("/images/{image_id}", methods=["GET"], authorizer=authorize)
def get_image(image_id: str) -> Response:
    """Everything known of an image; as the third party's XML where Accept asks for it."""
    image = services.catalog.find(image_id) if is_image_id(image_id) else None
    if image is None:
        raise errors.ImageNotFound(
            f"There is no image {image_id!r}. GET /images lists the images there are."
        )
    if "application/xml" in _request().headers.get("accept", ""):
        xml = integration_xml.document(image).decode()
        return Response(body=xml, headers={"Content-Type": "application/xml"})
    return Response(body=representation.image_values(image))


@app.on_sqs_message(queue=settings.intake_queue_name, batch_size=10)
def take_in_pictures(event: SQSEvent) -> None:
    """S3 told the intake queue that uploads arrived; POST /batches put URLs there."""
    queue = services.intake_queue
    waiting = services.waiting_pictures

    def take_in(message: Message) -> None:
        waiting.take_in(message.body, last_try=queue.is_last_receive(message))

    queue.work_through(messages_of(event.to_dict()), take_in)


@app.on_sqs_message(queue=settings.recognition_queue_name, batch_size=10)
def recognize_images(event: SQSEvent) -> None:
    """S3 told the uploads topic, and that the recognition queue, that images were stored."""
    queue = services.recognition_queue
    recognition = services.recognition

    def recognize(message: Message) -> None:
        for image_id in events.parse_notification(message.body):
            recognition.recognize(image_id, last_try=queue.is_last_receive(message))

    queue.work_through(messages_of(event.to_dict()), recognize)


@app.on_sqs_message(queue=settings.integration_queue_name, batch_size=10)
def deliver_results(event: SQSEvent) -> None:
    """The results topic told the integration queue that images have a result."""
    queue = services.integration_queue
    delivery = services.delivery

    def deliver(message: Message) -> None:
        result = events.parse_result_event(message.body)
        delivery.deliver(result, last_try=queue.is_last_receive(message))

    queue.work_through(messages_of(event.to_dict()), deliver)


@app.on_s3_event(
    bucket=settings.images_bucket_name, events=["s3:ObjectRemoved:*"], prefix=KEY_PREFIX
)
def forget_removed_image(event: S3Event) -> None:
    """S3 tells that an object was removed."""
    for image_id in events.image_ids_of_notification(event.to_dict()):
        services.removal.forget(image_id)


def _answer_once(answer: Callable[[], Answer]) -> Response:
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


def _body() -> bytes:
    """The body; API Gateway hands on as text what it does not hold for binary."""
    body = _request().raw_body
    return body.encode() if isinstance(body, str) else body
