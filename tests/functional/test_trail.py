"""Who did what: the log lines of requests, over AWS in memory."""

import logging

import pytest
from botocore.exceptions import ClientError

from chalicelib.catalog.deliveries import Deliveries
from chalicelib.catalog.images import Catalog
from chalicelib.services import Services
from tests.functional.conftest import Lines
from tests.helpers.gateway import Gateway
from tests.helpers.images import IMAGE_ID, RECOGNIZED
from tests.helpers.memory import MemoryCatalog


def put(memory: Services) -> None:
    """Store the image RECOGNIZED."""
    table = memory._table
    catalog = MemoryCatalog(None, table, Catalog(table), Deliveries(table), None, memory.store)  # type: ignore[arg-type]
    catalog.write(RECOGNIZED)
    catalog.put_object(IMAGE_ID)


@pytest.mark.parametrize(
    ("method", "path", "status_code"),
    [
        ("POST", "/images", 400),
        ("POST", "/batches", 400),
        ("POST", "/uploads", 201),
        ("POST", "/images/{image_id}/recognitions", 400),
        ("POST", "/images/{image_id}/deliveries", 202),
        ("DELETE", "/images/{image_id}", 202),
        ("GET", "/images/{image_id}", 200),
    ],
)
def test_every_line_of_a_request_says_whose_token_asked_for_what(
    gateway: Gateway, memory: Services, lines: Lines, method: str, path: str, status_code: int
) -> None:
    put(memory)
    response = gateway.request(method, path, parameters={"image_id": IMAGE_ID})
    assert response.status_code == status_code
    asked = f"{method} {path}".replace("{image_id}", IMAGE_ID)
    assert lines()
    for line in lines():
        assert (line["caller"], line["request"]) == ("tester", asked), line


def test_the_line_of_an_error_of_ours_says_it_too(
    gateway: Gateway, memory: Services, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: str) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "DeleteObject")

    put(memory)
    monkeypatch.setattr(memory.store, "delete", fail)
    response = gateway.request("DELETE", "/images/{image_id}", parameters={"image_id": IMAGE_ID})
    assert response.status_code == 500
    levels = [line["level"] for line in lines() if line["caller"] == "tester"]
    assert levels == ["ERROR", "INFO"]


def test_an_odd_path_costs_no_line(gateway: Gateway, lines: Lines) -> None:
    gateway.request("DELETE", "/images/{image_id}", parameters={"image_id": "\ud800\n{"})
    assert [line["request"] for line in lines()] == ["DELETE /images/\\ud800\n{"]


def test_a_line_outside_a_request_names_nobody(
    gateway: Gateway, memory: Services, lines: Lines
) -> None:
    gateway.request("POST", "/uploads")
    logging.getLogger("chalicelib").info("Idle")
    assert "caller" not in lines()[-1]
