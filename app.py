"""Image recognition: every trigger, in the order in which data meets them.

POST /images -> S3 -> (SNS, SQS) -> Rekognition -> DynamoDB -> (SNS, SQS) -> XML to a third party.
Each trigger only names what it sets off; chalicelib holds the rest.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from chalice.app import (
    AuthRequest,
    AuthResponse,
    Chalice,
    CloudWatchEvent,
    DynamoDBEvent,
    Rate,
    Response,
    SQSEvent,
)

from chalicelib.api import path_parameters, query_parameters, request_bodies, responses
from chalicelib.api.current_request import CurrentRequest
from chalicelib.api.idempotency import idempotent
from chalicelib.api.responses import RouteResponse
from chalicelib.aws import observability
from chalicelib.aws.sqs_queue import PartialBatchResponse
from chalicelib.catalog.findings_changes import changes_of
from chalicelib.integration import xml_document
from chalicelib.services import Services
from chalicelib.settings import settings_or_exit

settings = settings_or_exit()
services = Services(settings)

app = Chalice(app_name="image-recognition", configure_logs=False)
app.api.binary_types = [*app.api.binary_types, *request_bodies.IMAGE_CONTENT_TYPES]
observability.configure_logging(settings.log_level, app.log)
observability.configure_metrics(settings.stage)

request = CurrentRequest(app)
once_per_key = idempotent(request, lambda: services.idempotent_requests)


@app.middleware("http")
def attribute(event: Any, get_response: Callable[[Any], Any]) -> Any:
    """Let every log line of a request say whose token asked for what."""
    with observability.about_request(request.caller, request.method_and_path):
        return get_response(event)


@app.middleware("all")
def observe(event: Any, get_response: Callable[[Any], Any]) -> Any:
    """Log and measure every invocation."""
    return observability.observe(event, get_response)


@app.authorizer(ttl_seconds=60)
def authorize(token: AuthRequest) -> AuthResponse:
    """Let whoever sends a known token call every route."""
    name = services.tokens.name_of(token.token)
    return AuthResponse(routes=["*"] if name else [], principal_id=name or "nobody")


@app.route("/health", methods=["GET"])
def get_health() -> dict[str, str]:
    """Show that the functions are deployed and their settings complete; open to everybody."""
    return {"status": "ok"}


@app.route("/images", methods=["POST"], authorizer=authorize, content_types=["*/*"])
@once_per_key
def create_image() -> RouteResponse:
    """Take in an image, at a URL or in the body: 202 if it is new, 200 if it is known."""
    new_image = request_bodies.new_image(request, settings.default_features)
    return responses.image_accepted(services.intake.accept(new_image))


@app.route("/uploads", methods=["POST"], authorizer=authorize, content_types=["*/*"])
@once_per_key
def create_upload() -> RouteResponse:
    """Create a form that sends a file straight to S3: 201 with its URL and fields."""
    features = request_bodies.upload_features(request.body, settings.default_features)
    return responses.upload_created(services.uploads.create(features, request.caller))


@app.route("/uploads/{upload_id}", methods=["GET"], authorizer=authorize)
def get_upload(upload_id: str) -> dict[str, Any]:
    """Show an upload: WAITING, STORED with the image's id, or REFUSED or FAILED with the reason."""
    return responses.upload_values(services.uploads.find(upload_id))


@app.route("/batches", methods=["POST"], authorizer=authorize, content_types=["*/*"])
@once_per_key
def create_batch() -> RouteResponse:
    """Accept many URLs, to be fetched from a queue: 202 with the batch."""
    urls, features = request_bodies.batch_request(request.body, settings.default_features)
    return responses.batch_created(services.batches.create(urls, features, request.caller))


@app.route("/batches/{batch_id}", methods=["GET"], authorizer=authorize)
def get_batch(batch_id: str) -> dict[str, Any]:
    """Show how far a batch is, and why some of its URLs failed."""
    batch = services.batches.find(batch_id)
    return responses.batch_values(batch, services.catalog_pages.statuses(batch.image_ids))


@app.route("/images", methods=["GET"], authorizer=authorize)
def list_images() -> dict[str, Any]:
    """List a page of images: the newest first, or under labels the most confident first."""
    return responses.image_page(
        services.image_search.page(query_parameters.image_page(request.query))
    )


@app.route("/labels", methods=["GET"], authorizer=authorize)
def list_labels() -> dict[str, Any]:
    """List a page of the labels that images have, by name, with the number of images of each."""
    return responses.label_page(
        services.label_counts.page(*query_parameters.label_page(request.query))
    )


@app.route("/images/{image_id}", methods=["GET"], authorizer=authorize)
def get_image(image_id: str) -> Response:
    """Show everything known of an image; as the third party's XML if Accept asks for it."""
    return responses.image_response(
        services.catalog.get(image_id), request.headers.get("accept", "")
    )


@app.route("/images/{image_id}/content", methods=["GET"], authorizer=authorize)
def get_content(image_id: str) -> Response:
    """Redirect to the image's content in S3, at a URL that is valid for some minutes."""
    return responses.redirect(services.store.presigned_url(services.catalog.get(image_id).id))


@app.route("/images/{image_id}", methods=["DELETE"], authorizer=authorize)
def delete_image(image_id: str) -> Response:
    """Delete an image from S3, whose event sets off `forget_removed_image`: 202."""
    services.store.delete(services.catalog.get(image_id).id)
    return Response({"id": image_id}, status_code=202)


@app.route(
    "/images/{image_id}/recognitions", methods=["POST"], authorizer=authorize, content_types=["*/*"]
)
@once_per_key
def create_recognition(image_id: str) -> RouteResponse:
    """Recognize more features of an image: 202 while one is pending, 200 if all are known."""
    image_id = path_parameters.image_id(image_id)
    features = request_bodies.further_features(request.body)
    is_pending = services.recognition_requests.request(image_id, features, request.caller)
    return responses.recognition_requested(services.catalog.get(image_id), is_pending=is_pending)


@app.route("/recognitions", methods=["POST"], authorizer=authorize, content_types=["*/*"])
def create_recognitions() -> Response:
    """Recognize up to 100 images again that failed with a code: 202 with a cursor for the next."""
    failure_code, cursor = request_bodies.failed_recognitions(request.body)
    return responses.recognitions_requested(
        services.recognition_requests.request_failed(failure_code, cursor, request.caller)
    )


@app.route(
    "/images/{image_id}/deliveries", methods=["POST"], authorizer=authorize, content_types=["*/*"]
)
@once_per_key
def create_delivery(image_id: str) -> RouteResponse:
    """Deliver an image's result to the third party again: 202 with the image."""
    image_id = path_parameters.image_id(image_id)
    services.redelivery.request(image_id, request.caller)
    return responses.delivery_requested(services.catalog.get(image_id))


@app.route("/usage", methods=["GET"], authorizer=authorize)
def get_usage() -> dict[str, Any]:
    """Show a month's calls of Rekognition, their price, and what known images saved."""
    month = query_parameters.month(request.query, datetime.now(UTC))
    usage = services.usage.of_month(month)
    return responses.usage_values(usage, settings.rekognition_prices, request.caller)


@app.route("/schemas/image-recognition.xsd", methods=["GET"])
def get_schema() -> Response:
    """Show the XML Schema of what the third party gets; open to everybody."""
    return responses.xml(xml_document.schema())


@app.on_sqs_message(queue=settings.intake_queue_name, batch_size=10)
def take_in_images(event: SQSEvent) -> PartialBatchResponse:
    """Take in uploads, which S3 announces on the intake queue, and the URLs of batches."""
    return services.intake_queue.process(event.to_dict(), services.queued_images.take_in)


@app.on_sqs_message(
    queue=settings.recognition_queue_name,
    batch_size=10,
    maximum_concurrency=settings.recognition_concurrency,
)
def recognize_images(event: SQSEvent) -> PartialBatchResponse:
    """Recognize stored images, which S3 announces through SNS on the recognition queue."""
    return services.recognition_queue.process(
        event.to_dict(), services.recognition.process, settings.recognitions_at_once
    )


@app.on_dynamodb_record(
    settings.catalog_table_stream_arn,
    starting_position="TRIM_HORIZON",
    maximum_batching_window_in_seconds=1,
)
def index_findings(event: DynamoDBEvent) -> None:
    """Keep search, label counts and usage in step with the findings in the catalog."""
    services.search_index.follow(changes_of(event.to_dict()))


@app.schedule(Rate(15, unit=Rate.MINUTES))
def reconcile(_event: CloudWatchEvent) -> None:
    """Compare S3 and the catalog, and put back to work what was lost or has waited too long."""
    services.reconciliation.run(services.overdue_deliveries.send_again)


@app.on_sqs_message(
    queue=settings.integration_queue_name,
    batch_size=settings.deliveries_per_invocation,
    maximum_concurrency=settings.delivery_concurrency,
)
def deliver_results(event: SQSEvent) -> PartialBatchResponse:
    """Deliver results, which SNS announces on the integration queue, to the third party."""
    return services.integration_queue.process(event.to_dict(), services.delivery.process)


@app.on_sqs_message(queue=settings.removals_queue_name, batch_size=10)
def forget_removed_image(event: SQSEvent) -> PartialBatchResponse:
    """Delete what the catalog knows of images that were removed from S3, which announces it."""
    return services.removals_queue.process(event.to_dict(), services.removal.process)
