"""Requests with an Idempotency-Key, as API Gateway passes them on, over AWS in memory."""

import json
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.aws.clients import client
from chalicelib.catalog.deliveries import Deliveries
from chalicelib.catalog.images import Catalog
from chalicelib.model.findings import BoundingBox, Face, Feature, Findings, Point, Text
from chalicelib.model.image import Image
from chalicelib.services import Services
from tests.helpers.gateway import Gateway
from tests.helpers.images import RECOGNIZED, state
from tests.helpers.memory import MemoryCatalog
from tests.helpers.memory_stage import IDEMPOTENCY_TABLE_NAME

BOX = BoundingBox(0.125, 0.25, 0.5, 0.25)
RECOGNITIONS, DELIVERIES = "/images/{image_id}/recognitions", "/images/{image_id}/deliveries"
TEXT_TOO = json.dumps({"features": ["TEXT"]})


@pytest.fixture
def catalog(memory: Services) -> MemoryCatalog:
    table, store = memory._table, memory.store
    return MemoryCatalog(None, table, Catalog(table), Deliveries(table), None, store)  # type: ignore[arg-type]


def known(catalog: MemoryCatalog, number: int, **changes: Any) -> Image:
    """A recognized image in the catalog and the bucket."""
    image = replace(RECOGNIZED, id=f"{number:032x}", **changes)
    catalog.write(image)
    catalog.put_object(image.id)
    return image


def stored_responses() -> list[dict[str, Any]]:
    items = client("dynamodb").scan(TableName=IDEMPOTENCY_TABLE_NAME)["Items"]
    return [json.loads(item["data"]["S"]) for item in items]


@pytest.mark.parametrize("path", [RECOGNITIONS, DELIVERIES])
def test_a_key_of_a_request_for_one_image_is_refused_for_another(
    gateway: Gateway, catalog: MemoryCatalog, path: str
) -> None:
    first, second = known(catalog, 1), known(catalog, 2)
    statuses = [
        gateway.request(
            "POST", path, parameters={"image_id": image.id}, body=TEXT_TOO, idempotency_key="k"
        ).status_code
        for image in (first, second)
    ]
    assert statuses == [202, 422]
    assert catalog.catalog.get(second.id) == second


def test_a_key_of_a_request_is_refused_with_another_query(
    gateway: Gateway, catalog: MemoryCatalog
) -> None:
    path, image = DELIVERIES, known(catalog, 1)
    for query, status_code in (({"a": ["1"]}, 202), ({"a": ["2"]}, 422), ({"a": ["1"]}, 202)):
        response = gateway.request(
            "POST", path, parameters={"image_id": image.id}, query=query, idempotency_key="k"
        )
        assert response.status_code == status_code


@pytest.mark.parametrize("prefix", ["/api", "", "/base/path"])
@pytest.mark.parametrize("path", [RECOGNITIONS, DELIVERIES])
def test_location_is_the_images_path_behind_any_prefix(
    gateway: Gateway, catalog: MemoryCatalog, path: str, prefix: str
) -> None:
    image = known(catalog, 1)
    response = replace(gateway, prefix=prefix).request(
        "POST", path, parameters={"image_id": image.id}, body=TEXT_TOO
    )
    assert response.headers["Location"] == f"{prefix}/images/{image.id}"


def test_a_response_with_more_findings_than_an_item_holds_is_given_twice_and_happens_once(
    gateway: Gateway, catalog: MemoryCatalog
) -> None:
    corners = tuple(Point(0.1, 0.2) for _ in range(4))
    findings = Findings(
        faces=tuple(Face(99.0, BOX) for _ in range(100)),
        texts=tuple(
            Text(number, "LINE", "hello " * 3000, 99.0, BOX, corners) for number in range(22)
        ),
    )
    image = known(
        catalog, 1, findings=findings, features=(state(Feature.TEXT), state(Feature.FACES))
    )
    shown = [
        gateway.request("POST", DELIVERIES, parameters={"image_id": image.id}, idempotency_key="k")
        for _ in range(2)
    ]
    assert [response.status_code for response in shown] == [202, 202]
    assert len(json.dumps(shown[0].body)) > 400 * 1024
    assert shown[0].body == shown[1].body
    assert len(catalog.catalog.get(image.id).deliveries) == 2  # the first one, and one more


def test_what_is_stored_for_a_repetition_has_nothing_of_the_image(
    gateway: Gateway, catalog: MemoryCatalog
) -> None:
    image = known(catalog, 1)
    gateway.request("POST", DELIVERIES, parameters={"image_id": image.id}, idempotency_key="k")
    gateway.request("POST", "/uploads", idempotency_key="u")
    first, second = stored_responses()
    assert set(first) == set(second) == {"status_code", "location"}


def test_a_repetition_after_the_image_is_gone_is_answered_404_like_get(
    gateway: Gateway, catalog: MemoryCatalog
) -> None:
    image = known(catalog, 1)
    parameters = {"image_id": image.id}
    gateway.request("POST", DELIVERIES, parameters=parameters, idempotency_key="k")
    catalog.catalog.forget(catalog.catalog.snapshot(image.id))
    again = gateway.request("POST", DELIVERIES, parameters=parameters, idempotency_key="k")
    read = gateway.request("GET", "/images/{image_id}", parameters=parameters)
    assert (again.status_code, again.body) == (read.status_code, read.body)
    assert again.status_code == 404


def test_a_repeated_upload_gets_a_new_form_for_the_same_upload(gateway: Gateway) -> None:
    responses = [gateway.request("POST", "/uploads", idempotency_key="k") for _ in range(2)]
    assert [response.status_code for response in responses] == [201, 201]
    first, second = (response.body for response in responses)
    assert first["fields"]["key"] == second["fields"]["key"] == f"uploads/{first['id']}"
    assert responses[0].headers["Location"] == responses[1].headers["Location"]


def test_a_repeated_batch_is_shown_as_it_is_and_queued_once(
    gateway: Gateway, memory: Services
) -> None:
    body = json.dumps({"urls": ["https://example.com/cat.jpg"]})
    responses = [
        gateway.request("POST", "/batches", body=body, idempotency_key="k") for _ in range(2)
    ]
    assert [response.status_code for response in responses] == [202, 202]
    assert responses[0].body == responses[1].body
    attributes = client("sqs").get_queue_attributes(
        QueueUrl=memory._settings.intake_queue_url, AttributeNames=["ApproximateNumberOfMessages"]
    )
    assert attributes["Attributes"]["ApproximateNumberOfMessages"] == "1"
