"""Image recognition: every trigger, in the order in which data meets them.

POST /images -> S3 -> (SNS, SQS) -> Rekognition -> DynamoDB -> (SNS, SQS) -> XML to a third party.
What each trigger does is in chalicelib; here is only what sets it off.
"""

from collections.abc import Callable
from typing import Any

from chalice.app import (
    AuthRequest,
    AuthResponse,
    BadRequestError,
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
from chalicelib.messages import Message, messages_of
from chalicelib.model import is_image_id
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage import KEY_PREFIX

settings = Settings.from_environment()
services = Services(settings)

app = Chalice(app_name="image-recognition", configure_logs=False)
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


@app.route("/images", methods=["POST"], authorizer=authorize)
def create_image() -> Response:
    """Take in the picture at a URL: 202 with the new image, 200 with one that is known."""
    accepted = services.intake.accept_url(requests_in.image_url(_json_body()))
    return Response(
        body=representation.image_values(accepted.image),
        status_code=202 if accepted.is_new else 200,
        headers={"Location": f"/images/{accepted.image.id}", "Content-Type": "application/json"},
    )


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


def _request() -> Request:
    """The request that a route answers."""
    if app.current_request is None:
        raise RuntimeError("There is no request outside of a route.")
    return app.current_request


def _json_body() -> object:
    try:
        return _request().json_body
    except BadRequestError as error:
        raise errors.InvalidRequest(
            'The body is not JSON. Send a JSON object such as {"url": "https://example.com/cat.jpg"}.'
        ) from error
