import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.stub import ANY, Stubber
from chalice.test import HTTPResponse

from chalicelib.aws.dynamodb_table import to_item
from chalicelib.catalog import items
from chalicelib.catalog.images import NEW
from chalicelib.catalog.items import Row
from chalicelib.intake.images.prepare import prepare
from chalicelib.model.changes import (
    FeatureOutcome,
    with_arrival,
    with_features_requested,
    with_outcomes,
)
from chalicelib.model.findings import Feature, Findings, Label
from chalicelib.model.image import Image, Status
from tests.functional.conftest import BUCKET, PHOTOGRAPHS, RECOGNITION_QUEUE, TABLE, Api

Aws = dict[str, Stubber]
CAT = PHOTOGRAPHS / "chelsea-cat.png"
CAT_ID = hashlib.sha256(CAT.read_bytes()).hexdigest()[:32]
CREATED_AT = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)
PENDING = with_features_requested(
    Image(CAT_ID, Status.PENDING, CREATED_AT, sources=("http://elsewhere.example/cat",)),
    [Feature.LABELS],
    CREATED_AT,
)
PENDING_ITEM = to_item(items.row_values(Row(PENDING, revision=1)))
CAT_KEY = to_item({"pk": f"IMAGE#{CAT_ID}", "sk": "IMAGE"})


def expect_usage(aws: Aws, *saved: str) -> None:
    aws["dynamodb"].add_response(
        "update_item",
        {},
        {
            "TableName": TABLE,
            "Key": ANY,
            "UpdateExpression": "ADD " + ", ".join(f"#{name} :{name}" for name in saved),
            "ExpressionAttributeNames": {f"#{name}": name for name in saved},
            "ExpressionAttributeValues": {f":{name}": {"N": "1"} for name in saved},
        },
    )


def post(api: Api, body: Any) -> HTTPResponse:
    return api.post("/images", json.dumps(body).encode())


def expect_put(aws: Aws, *, refused: bool = False, features: str = "LABELS") -> None:
    expected = {
        "Bucket": BUCKET,
        "Key": f"images/{CAT_ID}",
        "Body": prepare(CAT.read_bytes()).content,
        "ContentType": "image/png",
        "IfNoneMatch": "*",
        "ChecksumAlgorithm": "SHA256",
        "Metadata": {"features": features},
    }
    if refused:
        aws["s3"].add_client_error(
            "put_object", "PreconditionFailed", http_status_code=412, expected_params=expected
        )
    else:
        aws["s3"].add_response("put_object", {}, expected)


def expect_registration(aws: Aws, *, known: bool = False) -> None:
    new = {"TableName": TABLE, "Item": ANY, "ConditionExpression": NEW}
    if not known:
        aws["dynamodb"].add_response("put_item", {}, new)
        return
    aws["dynamodb"].add_client_error(
        "put_item", "ConditionalCheckFailedException", expected_params=new
    )
    aws["dynamodb"].add_response(
        "get_item",
        {"Item": PENDING_ITEM},
        {"TableName": TABLE, "Key": CAT_KEY, "ConsistentRead": True},
    )
    aws["dynamodb"].add_response(
        "put_item",
        {},
        {
            "TableName": TABLE,
            "Item": ANY,
            "ConditionExpression": "revision = :revision",
            "ExpressionAttributeValues": {":revision": {"N": "1"}},
        },
    )


def expect_query_of_the_image(aws: Aws, *found: Any) -> None:
    aws["dynamodb"].add_response(
        "query",
        {"Items": list(found)},
        {
            "TableName": TABLE,
            "KeyConditionExpression": "pk = :pk AND sk BETWEEN :first AND :last",
            "ExpressionAttributeValues": to_item(
                {":pk": f"IMAGE#{CAT_ID}", ":first": "DELIVERY#", ":last": "IMAGE"}
            ),
            "ConsistentRead": True,
        },
    )


def test_a_new_image_is_stored_and_registered(api: Api, aws: Aws, photographs: str) -> None:
    url = f"{photographs}/{CAT.name}"
    expect_put(aws)
    expect_registration(aws)
    response = post(api, {"url": url})
    assert response.status_code == 202
    assert response.headers["Location"].endswith(f"/images/{CAT_ID}")
    assert response.json_body["id"] == CAT_ID
    assert response.json_body["status"] == "PENDING"
    assert response.json_body["sources"] == [url]


def test_a_known_image_is_answered_200_with_everything_that_get_returns(
    api: Api, aws: Aws, photographs: str
) -> None:
    url = f"{photographs}/{CAT.name}?again"
    expect_put(aws, refused=True)
    expect_registration(aws, known=True)
    for _ in range(2):
        expect_query_of_the_image(aws, *recognized_items(url))
    response = post(api, {"url": url})
    assert response.status_code == 200
    assert response.json_body["sources"] == sorted([*PENDING.sources, url])
    assert [label["name"] for label in response.json_body["labels"]] == ["Cat"]
    assert response.json_body == api.get(f"/images/{CAT_ID}").json_body


def recognized_items(url: str) -> list[Any]:
    """The items of the recognized image, with one more source."""
    findings = Findings(labels=(Label("Cat", 99.0),))
    image = with_arrival(PENDING, replace(PENDING, sources=(url,)))
    recognized = with_outcomes(image, [FeatureOutcome(Feature.LABELS, "3.0")], CREATED_AT)
    return [
        to_item(items.feature_values(CAT_ID, Feature.LABELS, findings)),
        to_item(items.row_values(Row(recognized, revision=2))),
    ]


def test_an_additional_feature_of_a_known_image_is_queued(
    api: Api, aws: Aws, photographs: str
) -> None:
    expect_put(aws, refused=True, features="TEXT")
    expect_registration(aws, known=True)
    aws["sqs"].add_response(
        "send_message",
        {},
        {
            "QueueUrl": RECOGNITION_QUEUE,
            "MessageBody": json.dumps({"recognize": CAT_ID}),
        },
    )
    both = with_features_requested(PENDING, [Feature.TEXT], CREATED_AT)
    expect_query_of_the_image(aws, to_item(items.row_values(Row(both, revision=2))))
    response = post(api, {"url": f"{photographs}/{CAT.name}", "features": ["TEXT"]})
    names = [feature["name"] for feature in response.json_body["features"]]
    assert names == ["LABELS", "TEXT"]


@pytest.mark.parametrize(
    ("body", "status_code"),
    [
        ({}, 400),
        ([], 400),
        ({"url": ""}, 400),
        ({"url": "ftp://example.com/cat.jpg"}, 400),
        ({"url": "file:///etc/passwd"}, 400),
        ({"url": "http://127.0.0.1:1/cat.jpg"}, 400),
    ],
)
def test_an_invalid_request_is_refused_and_stores_nothing(
    api: Api, aws: Aws, body: Any, status_code: int
) -> None:
    response = post(api, body)
    assert response.status_code == status_code
    assert set(response.json_body) == {"Code", "Message"}
    assert len(response.json_body["Message"]) > 20


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe"])
def test_a_body_that_is_not_json_is_refused(api: Api, aws: Aws, body: bytes) -> None:
    response = api.post("/images", body)
    assert (response.status_code, response.json_body["Code"]) == (400, "InvalidRequest")


def test_an_image_that_its_server_does_not_have_is_answered_502_and_stores_nothing(
    api: Api, aws: Aws, photographs: str
) -> None:
    response = post(api, {"url": f"{photographs}/no-such-image.jpg"})
    assert response.status_code == 502
    assert "404" in response.json_body["Message"]


def test_a_page_that_is_not_an_image_is_refused_and_stores_nothing(
    api: Api, aws: Aws, photographs: str
) -> None:
    response = post(api, {"url": f"{photographs}/CREDITS.md"})
    assert 400 <= response.status_code < 500


def test_an_unknown_image_is_answered_404(api: Api, aws: Aws) -> None:
    expect_query_of_the_image(aws)
    response = api.get(f"/images/{CAT_ID}")
    assert (response.status_code, response.json_body["Code"]) == (404, "ImageNotFound")


def test_an_invalid_image_id_is_answered_404_without_reading_the_catalog(
    api: Api, aws: Aws
) -> None:
    response = api.get("/images/not-an-id")
    assert (response.status_code, response.json_body["Code"]) == (404, "ImageNotFound")


def test_an_image_is_returned_as_json_or_as_xml(api: Api, aws: Aws) -> None:
    for _ in range(2):
        expect_query_of_the_image(aws, PENDING_ITEM)
    assert api.get(f"/images/{CAT_ID}").json_body["status"] == "PENDING"
    response = api.get(f"/images/{CAT_ID}", Accept="application/xml")
    assert response.headers["Content-Type"] == "application/xml"
    assert f"<Id>{CAT_ID}</Id>" in response.body.decode()


def test_images_of_all_shards_are_listed_newest_first(api: Api, aws: Aws) -> None:
    times = {"0": "2026-11-23T03", "1": "2026-11-23T04", "2": "2026-11-23T01", "3": None}
    for shard, time in times.items():
        found = []
        if time:
            pk = f"IMAGE#{shard}"
            key = {"pk": pk, "sk": "IMAGE", "time_shard": shard, "time_key": time}
            found = [to_item(key)]
        aws["dynamodb"].add_response(
            "query",
            {"Items": found},
            {
                "TableName": TABLE,
                "IndexName": "by_time",
                "KeyConditionExpression": (
                    "time_shard = :partition AND time_key BETWEEN :above AND :below"
                ),
                "ExpressionAttributeValues": to_item(
                    {":partition": shard, ":above": " ", ":below": "~"}
                ),
                "Limit": 3,
                "ScanIndexForward": False,
            },
        )
    expected = [to_item({"pk": f"IMAGE#{shard}", "sk": "IMAGE"}) for shard in ("1", "0")]
    aws["dynamodb"].add_response(
        "batch_get_item",
        {
            "Responses": {
                TABLE: [PENDING_ITEM | key for key in reversed(expected)]  # in any order
            }
        },
        {"RequestItems": {TABLE: {"Keys": expected}}},
    )
    page = api.get("/images?limit=2").json_body
    assert [image["id"] for image in page["images"]] == ["1", "0"]
    assert page["cursor"]


def test_images_with_a_label_are_listed_best_first(api: Api, aws: Aws) -> None:
    key = {"pk": "LABEL#cat#0", "sk": f"098.500000#{CAT_ID}"}
    for shard in "0123":
        aws["dynamodb"].add_response(
            "query",
            {"Items": [to_item(key)] if shard == "0" else []},
            {
                "TableName": TABLE,
                "KeyConditionExpression": "pk = :partition AND sk BETWEEN :above AND :below",
                "ExpressionAttributeValues": to_item(
                    {":partition": f"LABEL#cat#{shard}", ":above": "080.000000", ":below": "~"}
                ),
                "Limit": 2,
                "ScanIndexForward": False,
            },
        )
    aws["dynamodb"].add_response("batch_get_item", {"Responses": {TABLE: [PENDING_ITEM]}}, None)
    page = api.get("/images?label=CAT&min_confidence=80&limit=1").json_body
    assert [image["id"] for image in page["images"]] == [CAT_ID]
    assert page["cursor"] is None


def test_labels_are_listed_with_the_sum_of_their_counts_in_all_shards(api: Api, aws: Aws) -> None:
    for shard in range(8):
        found = {"pk": f"LABELS#{shard}", "sk": "cat", "name": "Cat", "count": shard}
        aws["dynamodb"].add_response("query", {"Items": [to_item(found)]}, None)
    assert api.get("/labels").json_body == {
        "labels": [{"name": "Cat", "count": 28}],
        "cursor": None,
    }


def test_the_content_of_an_image_redirects_to_s3(api: Api, aws: Aws) -> None:
    expect_query_of_the_image(aws, PENDING_ITEM)
    response = api.get(f"/images/{CAT_ID}/content")
    assert response.status_code == 302
    url = urlsplit(response.headers["Location"])
    assert url.path.endswith(f"/images/{CAT_ID}")
    assert "X-Amz-Signature" in parse_qs(url.query)


def test_deleting_an_image_deletes_its_object_in_s3(api: Api, aws: Aws) -> None:
    expect_query_of_the_image(aws, PENDING_ITEM)
    aws["s3"].add_response("delete_object", {}, {"Bucket": BUCKET, "Key": f"images/{CAT_ID}"})
    assert api.delete(f"/images/{CAT_ID}").status_code == 202


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/images/{}/content"),
        ("DELETE", "/images/{}"),
        ("POST", "/images/{}/recognitions"),
        ("POST", "/images/{}/deliveries"),
    ],
)
def test_every_request_for_an_unknown_image_is_answered_404(
    api: Api, aws: Aws, method: str, path: str
) -> None:
    if path.endswith("recognitions"):
        aws["dynamodb"].add_response("query", {"Items": []}, None)  # the model versions
    if method == "POST":
        aws["dynamodb"].add_response("get_item", {}, None)
    else:
        expect_query_of_the_image(aws)
    response = api.call(method, path.format(CAT_ID), b'{"features": ["TEXT"]}')
    assert (response.status_code, response.json_body["Code"]) == (404, "ImageNotFound")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("GET", f"/images/{CAT_ID}", b""), ("POST", "/batches", b'{"urls": ["http://a.example/"]}')],
)
def test_an_error_of_aws_is_answered_500_without_its_text(
    api: Api, aws: Aws, caplog: pytest.LogCaptureFixture, method: str, path: str, body: bytes
) -> None:
    text = "User: arn:aws:sts::123456789012:assumed-role/image-recognition-dev/session"
    operation = "query" if method == "GET" else "put_item"
    aws["dynamodb"].add_client_error(operation, "AccessDeniedException", text)
    response = api.call(method, path, body)
    assert response.status_code == 500
    assert response.json_body == {
        "Code": "InternalServerError",
        "Message": "An internal server error occurred.",
    }
    assert "arn:aws:sts" in caplog.text  # the log has the rest


def test_usage_sums_the_shards_and_computes_the_price(api: Api, aws: Aws) -> None:
    counted = [
        {"sk": "DetectLabels#0", "calls": 3, "LABELS": 3, "PROPERTIES": 1},
        {"sk": "DetectLabels#1", "calls": 2, "LABELS": 2},
        {"sk": "DetectText#1", "calls": 1, "TEXT": 1},
        {"sk": "SAVED#0", "LABELS": 7},
    ]
    aws["dynamodb"].add_response(
        "query",
        {"Items": [to_item(each) for each in counted]},
        {
            "TableName": TABLE,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": "USAGE#2026-11"}},
            "ConsistentRead": True,
        },
    )
    usage = api.get("/usage?month=2026-11").json_body
    assert usage["operations"] == [
        {
            "operation": "DetectLabels",
            "calls": 5,
            "images": {"LABELS": 5, "PROPERTIES": 1},
            "price": 0.00575,
        },
        {"operation": "DetectText", "calls": 1, "images": {"TEXT": 1}, "price": 0.001},
    ]
    assert (usage["calls"], usage["price"], usage["currency"]) == (6, 0.00675, "USD")
    assert usage["saved"] == {"images": {"LABELS": 7}, "price": 0.007}


@pytest.mark.parametrize("cursor", ["nonsense!", "bm9uc2Vuc2U", "W10", "e30"])
def test_a_cursor_that_we_did_not_issue_is_refused(api: Api, aws: Aws, cursor: str) -> None:
    response = api.get(f"/images?cursor={cursor}")
    assert (response.status_code, response.json_body["Code"]) == (400, "InvalidRequest")
