"""Whose token requested what: in the rows and messages, and nowhere that callers look."""

import json
from dataclasses import replace
from typing import Any

import pytest

from benchmarks.write_units import item_size
from chalicelib.aws.clients import client
from chalicelib.aws.dynamodb_table import to_item
from chalicelib.aws.sqs_queue import Message
from chalicelib.catalog.deliveries import Deliveries
from chalicelib.catalog.images import Catalog
from chalicelib.catalog.items import Row, first_revision, row_values
from chalicelib.catalog.usage import usage_key
from chalicelib.integration import xml_document
from chalicelib.integration.deliver import DeliveryRefused, ResultDelivery
from chalicelib.integration.retry_schedule import RetrySchedule
from chalicelib.integration.third_party import Attempt, AttemptOutcome
from chalicelib.model.events import result_event
from chalicelib.model.findings import Feature, Findings
from chalicelib.model.identity import image_id_of_content
from chalicelib.model.image import Failure, Image, LabelSummary, Status
from chalicelib.services import Services
from tests.functional.conftest import PHOTOGRAPHS
from tests.helpers.fakes import FakeThirdParty
from tests.helpers.gateway import Gateway
from tests.helpers.images import CREATED_AT, IMAGE_ID, RECOGNIZED, state
from tests.helpers.memory import BUCKET_NAME, MemoryCatalog

ALICE, BOB = "alice-of-accounting", "bob-of-billing"
URL = "https://images.example.com/2026/11/24/cameras/entrance-north/0123456789.jpg"
LABELED = replace(RECOGNIZED, requested_by={Feature.LABELS: ALICE})
FAILED = replace(RECOGNIZED, status=Status.FAILED, findings=Findings(), deliveries=())


@pytest.fixture
def alice(app: Any, memory: Services) -> Gateway:
    return Gateway(app, caller=ALICE)


@pytest.fixture
def bob(app: Any, memory: Services) -> Gateway:
    return Gateway(app, caller=BOB)


def put(memory: Services, image: Image = LABELED) -> None:
    """Store an image."""
    table = memory._table
    catalog = MemoryCatalog(None, table, Catalog(table), Deliveries(table), None, memory.store)  # type: ignore[arg-type]
    catalog.write(image)
    catalog.put_object(IMAGE_ID)


def items(memory: Services, pk: str) -> dict[str, dict[str, Any]]:
    return {each["sk"]: each for each in memory._table.items("pk = :pk", {":pk": pk})}


def messages(queue_url: str) -> list[dict[str, Any]]:
    received = client("sqs").receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10)
    return [json.loads(each["Body"]) for each in received.get("Messages", [])]


PHOTOGRAPH = next(PHOTOGRAPHS.glob("*.jpg")).read_bytes()
IMAGE = {"image_id": IMAGE_ID}


def test_a_row_says_whose_token_requested_each_feature(
    alice: Gateway, bob: Gateway, memory: Services
) -> None:
    posted = alice.request("POST", "/images", body=PHOTOGRAPH, content_type="image/jpeg")
    assert posted.status_code == 202
    again = {"features": ["LABELS"]}, {"features": ["TEXT", "FACES"]}, {"features": ["TEXT"]}
    parameters = {"image_id": posted.body["id"]}
    for caller, body in zip((bob, bob, alice), again, strict=True):
        asked = caller.request(
            "POST",
            "/images/{image_id}/recognitions",
            parameters=parameters,
            body=json.dumps(body),
        )
        assert asked.status_code == 202  # it is pending, for whoever requested it first
    row = items(memory, f"IMAGE#{posted.body['id']}")["IMAGE"]
    assert row["requested_by"] == {ALICE: ["LABELS"], BOB: ["TEXT", "FACES"]}


def test_failed_images_are_requested_again_in_the_caller_s_name(
    bob: Gateway, memory: Services
) -> None:
    failure = Failure("RekognitionThrottled", "Too many calls.")
    failed = state(Feature.LABELS, Status.FAILED, failure=failure)
    put(memory, replace(FAILED, features=(failed,), failure=failure))
    body = json.dumps({"failure": failure.code})
    assert bob.request("POST", "/recognitions", body=body).body["requested"] == 1
    assert items(memory, f"IMAGE#{IMAGE_ID}")["IMAGE"]["requested_by"] == {BOB: ["LABELS"]}


def test_a_delivery_says_whose_token_requested_it_also_after_an_attempt(
    bob: Gateway, memory: Services
) -> None:
    put(memory)
    bob.request("POST", "/images/{image_id}/deliveries", parameters=IMAGE)
    assert items(memory, f"IMAGE#{IMAGE_ID}")["DELIVERY#000002"]["requested_by"] == BOB
    third_party: Any = FakeThirdParty([Attempt(AttemptOutcome.REFUSED, "no", 400)])
    delivery = ResultDelivery(
        memory.catalog, memory._deliveries, third_party, RetrySchedule((60.0,))
    )
    (event,) = messages(memory._settings.integration_queue_url)
    with pytest.raises(DeliveryRefused):
        delivery.process(Message("1", json.dumps(event), "1", 1, False))
    after = items(memory, f"IMAGE#{IMAGE_ID}")["DELIVERY#000002"]
    assert (after["delivery_status"], after["requested_by"]) == ("FAILED", BOB)


def test_the_intake_function_stores_batches_and_uploads_in_the_caller_s_name(
    alice: Gateway, bob: Gateway, memory: Services, photographs: str
) -> None:
    url = f"{photographs}/{next(PHOTOGRAPHS.glob('*.jpg')).name}"
    batch = alice.request("POST", "/batches", body=json.dumps({"urls": [url]})).body["id"]
    assert items(memory, f"BATCH#{batch}")["BATCH"]["requested_by"] == ALICE
    upload = bob.request("POST", "/uploads", body='{"features": ["TEXT"]}').body["id"]
    assert items(memory, f"UPLOAD#{upload}")["UPLOAD"]["requested_by"] == BOB
    client("s3").put_object(Bucket=BUCKET_NAME, Key=f"uploads/{upload}", Body=PHOTOGRAPH)
    announced = {"Records": [{"s3": {"object": {"key": f"uploads/{upload}"}}}]}
    for message in (*messages(memory._settings.intake_queue_url), announced):
        memory.queued_images.take_in(Message("1", json.dumps(message), "1", 1, False))
    row = items(memory, f"IMAGE#{image_id_of_content(PHOTOGRAPH)}")["IMAGE"]
    assert row["requested_by"] == {ALICE: ["LABELS"], BOB: ["TEXT"]}


def test_callers_and_the_third_party_do_not_see_the_names_of_others(
    alice: Gateway, bob: Gateway, memory: Services
) -> None:
    put(memory)
    parameters = {"image_id": IMAGE_ID}
    upload = alice.request("POST", "/uploads").body["id"]
    batch = alice.request("POST", "/batches", body='{"urls": ["https://example.com/"]}').body["id"]
    image = alice.request("POST", "/images/{image_id}/deliveries", parameters=parameters)
    key = usage_key("2026-11", "DetectLabels", "0", ALICE)
    memory._table.add(*key, {"calls": 1, "LABELS": 1})
    seen = [
        image,
        bob.request("GET", "/images/{image_id}", parameters=parameters),
        bob.request("GET", "/images/{image_id}", parameters=parameters, accept="application/xml"),
        bob.request("GET", "/images"),
        bob.request("GET", "/uploads/{upload_id}", parameters={"upload_id": upload}),
        bob.request("GET", "/batches/{batch_id}", parameters={"batch_id": batch}),
        bob.request("GET", "/usage", query={"month": ["2026-11"]}),
    ]
    assert {each.status_code for each in seen} == {200, 202}
    for each in (*(json.dumps(each.body) for each in seen), document_and_event(memory)):
        assert ALICE not in each
        assert "requested_by" not in each
    own = alice.request("GET", "/usage", query={"month": ["2026-11"]}).body
    assert own["token"] == {"name": ALICE, "images": {"LABELS": 1}, "price": 0.001}


def document_and_event(memory: Services) -> str:
    """What leaves the house about the image: the third party's XML and the result's event."""
    image = memory.catalog.get(IMAGE_ID)
    assert image.requested_by == {Feature.LABELS: ALICE}
    event, attributes = result_event(image.summary(), 1)
    return f"{xml_document.document(image).decode()} {json.dumps(event)} {attributes}"


def test_an_ordinary_row_takes_one_write_unit() -> None:
    """The result, with ten labels and a long URL: a started KB more would cost another unit."""
    labels = tuple(LabelSummary(f"Coffee Table {number}", 98.76543) for number in range(10))
    features = (state(Feature.LABELS, model_version="3.0"),)
    image = replace(RECOGNIZED, features=features, deliveries=(), sources=(URL,))
    row = Row(
        replace(image, requested_by={Feature.LABELS: ALICE}),
        labels,
        first_revision(CREATED_AT),
    )
    anonymous = replace(row, image=image)
    sizes = [item_size(to_item(row_values(each))) for each in (anonymous, row)]
    assert sizes[1] - sizes[0] <= 50
    assert sizes[1] < 1024
