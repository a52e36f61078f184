"""A month's limits on spending: what is refused, for whom, and what still answers."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode.cfn_yaml import loads  # type: ignore[import-untyped]

from chalicelib.aws.clients import client
from chalicelib.aws.sqs_queue import Message
from chalicelib.catalog import spending_limit
from chalicelib.catalog.deliveries import Deliveries
from chalicelib.catalog.images import Catalog
from chalicelib.catalog.spending_limit import CACHE_SECONDS
from chalicelib.catalog.usage import MonthUsage, Usage, month_of, usage_key
from chalicelib.intake.fetching import fetch
from chalicelib.intake.fetching.fetch import FetchedImage
from chalicelib.model.findings import Feature
from chalicelib.model.identity import image_id_of_content
from chalicelib.model.image import Failure, Image, Status
from chalicelib.services import Services
from tests.functional.conftest import PHOTOGRAPHS, Lines
from tests.helpers.gateway import Gateway, GatewayResponse
from tests.helpers.images import IMAGE_ID, RECOGNIZED, state
from tests.helpers.memory import BUCKET_NAME, MemoryCatalog

PHOTOGRAPH = next(PHOTOGRAPHS.glob("*.jpg")).read_bytes()
PHOTOGRAPH_ID = image_id_of_content(PHOTOGRAPH)
URL = "https://images.example/cat.jpg"
FAILURE = Failure("RekognitionThrottled", "Too many calls.")
INFRA = Path(__file__).parents[2] / "infra"


def spend(memory: Services, images: int, name: str = "", shard: str = "0") -> None:
    """Count images that were recognized this month, at 0.001 US dollars each."""
    key = usage_key(month_of(datetime.now(UTC)), "DetectLabels", shard, name)
    memory._table.add(*key, {"calls": images, "LABELS": images})


def limit(memory: Services, of_stage: float = 0, of_token: float = 0) -> None:
    memory._settings = replace(
        memory._settings,
        monthly_spending_limit=of_stage,
        monthly_spending_limit_per_token=of_token,
    )


def put(memory: Services, image: Image) -> None:
    table = memory._table
    catalog = MemoryCatalog(None, table, Catalog(table), Deliveries(table), None, memory.store)  # type: ignore[arg-type]
    catalog.write(image)
    catalog.put_object(image.id)


def everything(memory: Services) -> list[Any]:
    """What is stored and queued, but for the usage."""
    items = client("dynamodb").scan(TableName=memory._settings.catalog_table_name)["Items"]
    settings = memory._settings
    urls = settings.intake_queue_url, settings.recognition_queue_url
    attribute = "ApproximateNumberOfMessages"
    return [
        client("s3").list_objects_v2(Bucket=BUCKET_NAME).get("Contents", []),
        [item for item in items if not item["pk"]["S"].startswith("USAGE#")],
        *(
            client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[attribute])[
                "Attributes"
            ][attribute]
            for url in urls
        ),
    ]


@pytest.fixture(autouse=True)
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The URLs that were fetched; each is the photograph."""
    urls: list[str] = []

    def fake(url: str, limits: Any) -> FetchedImage:
        urls.append(url)
        return FetchedImage(PHOTOGRAPH, "image/jpeg", url)

    monkeypatch.setattr(fetch, "fetch", fake)
    return urls


POSTS: dict[str, Any] = {
    "url": ("/images", {"body": json.dumps({"url": URL})}),
    "bytes": ("/images", {"body": PHOTOGRAPH, "content_type": "image/jpeg"}),
    "upload": ("/uploads", {"body": "{}"}),
    "batch": ("/batches", {"body": json.dumps({"urls": [URL]})}),
    "features": (
        "/images/{image_id}/recognitions",
        {"parameters": {"image_id": IMAGE_ID}, "body": '{"features": ["TEXT"]}'},
    ),
    "failed": ("/recognitions", {"body": json.dumps({"failure": FAILURE.code})}),
}


def post(gateway: Gateway, kind: str) -> GatewayResponse:
    path, request = POSTS[kind]
    return gateway.request("POST", path, **request)


@pytest.mark.parametrize("kind", POSTS)
def test_beyond_the_stage_s_limit_nothing_is_stored_queued_or_fetched(
    gateway: Gateway, memory: Services, fetched: list[str], kind: str
) -> None:
    limit(memory, of_stage=0.0055)
    failed = state(Feature.LABELS, Status.FAILED, failure=FAILURE)
    put(memory, replace(RECOGNIZED, status=Status.FAILED, failure=FAILURE, features=(failed,)))
    for shard, name in enumerate(("", "tester", "alice", "alice", "bob")):
        spend(memory, 1, name, str(shard % 4))
    before = everything(memory)
    response = post(gateway, kind)
    assert (response.status_code, response.body["Code"]) == (429, "SpendingLimitReached")
    month = f"{datetime.now(UTC):%Y-%m}"
    for part in (month, "0.005 US dollars", "add 0.001", "limit is 0.0055 a month", "higher limit"):
        assert part in response.body["Message"]
    assert (everything(memory), fetched) == (before, [])


@pytest.mark.parametrize("kind", POSTS)
def test_a_token_s_limit_stops_only_that_token(
    app: Any, gateway: Gateway, memory: Services, kind: str
) -> None:
    limit(memory, of_stage=1, of_token=0.005)
    failed = state(Feature.LABELS, Status.FAILED, failure=FAILURE)
    put(memory, replace(RECOGNIZED, status=Status.FAILED, failure=FAILURE, features=(failed,)))
    spend(memory, 5, "alice")
    spend(memory, 4, "tester")
    alice = Gateway(app, caller="alice")
    refused = post(alice, kind)
    assert (refused.status_code, refused.body["Code"]) == (429, "SpendingLimitReached")
    assert "alice" not in refused.body["Message"]  # other callers see a batch's failures
    assert post(gateway, kind).status_code in (200, 201, 202)  # the last that it can afford


def test_what_is_known_still_answers(gateway: Gateway, memory: Services) -> None:
    limit(memory, of_stage=0.001)
    put(memory, replace(RECOGNIZED, id=PHOTOGRAPH_ID))
    spend(memory, 1)
    known = post(gateway, "bytes")
    assert (known.status_code, known.body["labels"][0]["name"]) == (200, "Cat")
    parameters = {"image_id": PHOTOGRAPH_ID}
    path = "/images/{image_id}/recognitions"
    body = '{"features": ["LABELS"]}'
    assert gateway.request("POST", path, parameters=parameters, body=body).status_code == 200
    more = gateway.request(
        "POST",
        "/images",
        body=PHOTOGRAPH,
        content_type="image/jpeg",
        query={"features": ["LABELS,TEXT"]},
    )
    assert more.status_code == 429


def test_a_batch_counts_as_many_new_images_as_it_has_urls(
    gateway: Gateway, memory: Services
) -> None:
    limit(memory, of_stage=0.005)
    spend(memory, 2)
    for urls, status_code in ((4, 429), (3, 202)):
        body = json.dumps({"urls": [URL] * urls})
        assert gateway.request("POST", "/batches", body=body).status_code == status_code


def test_what_was_queued_before_the_limit_was_reached_is_not_fetched_either(
    gateway: Gateway, memory: Services, fetched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    limit(memory, of_token=0.005)
    batch = post(gateway, "batch").body["id"]
    upload = post(gateway, "upload").body["id"]
    client("s3").put_object(Bucket=BUCKET_NAME, Key=f"uploads/{upload}", Body=PHOTOGRAPH)
    spend(memory, 5, "tester")
    clock.now += CACHE_SECONDS + 1
    queue = memory._settings.intake_queue_url
    (message,) = client("sqs").receive_message(QueueUrl=queue)["Messages"]
    announced = json.dumps({"Records": [{"s3": {"object": {"key": f"uploads/{upload}"}}}]})
    for body in (message["Body"], announced):
        memory.queued_images.take_in(Message("1", body, "1", 1, is_last_receive=False))
    shown = gateway.request("GET", "/batches/{batch_id}", parameters={"batch_id": batch}).body
    assert [each["code"] for each in shown["failures"]] == ["SpendingLimitReached"]
    shown = gateway.request("GET", "/uploads/{upload_id}", parameters={"upload_id": upload}).body
    assert (shown["status"], shown["code"]) == ("FAILED", "SpendingLimitReached")
    assert fetched == []
    assert client("s3").list_objects_v2(Bucket=BUCKET_NAME)["KeyCount"] == 0


def test_the_usage_is_read_once_in_a_while_and_never_without_a_limit(
    gateway: Gateway, memory: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    months: list[str] = []
    of_month = Usage.of_month

    def read(usage: Usage, month: str) -> MonthUsage:
        months.append(month)
        return of_month(usage, month)

    monkeypatch.setattr(Usage, "of_month", read)
    memory._spending_limit.check([Feature.LABELS], "tester")
    assert months == []
    limit(memory, of_stage=0.005)
    del memory._spending_limit
    for _ in range(3):
        memory._spending_limit.check([Feature.LABELS], "tester")
    assert len(months) == 1
    clock.now += CACHE_SECONDS + 1
    memory._spending_limit.check([Feature.LABELS], "tester")
    assert len(months) == 2


def test_a_refusal_is_one_line_that_sounds_the_alarm(
    gateway: Gateway, memory: Services, lines: Lines
) -> None:
    limit(memory, of_stage=0.001)
    spend(memory, 1)
    assert post(gateway, "url").status_code == 429
    messages = [line["message"] for line in lines() if line["level"] == "WARNING"]
    resources = loads((INFRA / "api.yaml").read_text())["Resources"]
    filters = [
        each["Properties"]
        for each in resources.values()
        if each["Type"] == "AWS::Logs::MetricFilter"
    ]
    assert {each["LogGroupName"]["Ref"] for each in filters} == {"ApiLog", "TakeInImagesLog"}
    alarm = resources["SpendingLimitReached"]["Properties"]
    for each in filters:
        pattern = re.fullmatch(r'\{ \$\.message = "(?P<start>[^"*]+)\*" \}', each["FilterPattern"])
        assert pattern is not None
        assert [message.startswith(pattern["start"]) for message in messages] == [True]
        (metric,) = each["MetricTransformations"]
        assert (metric["MetricName"], metric["MetricNamespace"]) == (
            alarm["MetricName"],
            alarm["Namespace"],
        )


class Clock:
    """The limit's clock, which a test moves on; in seconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(spending_limit, "monotonic", lambda: self.now)
