import hashlib
import json
from typing import Any

import pytest
from botocore.stub import ANY, Stubber
from chalice.test import HTTPResponse

from chalicelib import catalog_items as items
from tests.functional.conftest import BUCKET, PHOTOGRAPHS, TABLE, Api

Aws = dict[str, Stubber]
CAT = PHOTOGRAPHS / "chelsea-cat.png"
CAT_ID = hashlib.sha256(CAT.read_bytes()).hexdigest()[:32]
PENDING_ITEM = items.to_item(
    {
        "pk": f"IMAGE#{CAT_ID}",
        "sk": "IMAGE",
        "status": "PENDING",
        "created_at": "2026-11-23T01:02:03.000000Z",
        "revision": 1,
    }
)


def post(api: Api, body: Any) -> HTTPResponse:
    return api.post("/images", json.dumps(body).encode())


def expect_put(aws: Aws, *, refused: bool = False) -> None:
    expected = {
        "Bucket": BUCKET,
        "Key": f"images/{CAT_ID}",
        "Body": CAT.read_bytes(),
        "ContentType": "image/png",
        "IfNoneMatch": "*",
        "ChecksumAlgorithm": "SHA256",
        "Metadata": {"width": "451", "height": "300"},
    }
    if refused:
        aws["s3"].add_client_error(
            "put_object", "PreconditionFailed", http_status_code=412, expected_params=expected
        )
    else:
        aws["s3"].add_response("put_object", {}, expected)


def expect_registration(aws: Aws, url: str) -> None:
    aws["dynamodb"].add_response(
        "update_item",
        {"Attributes": PENDING_ITEM | items.to_item({"sources": {url}})},
        {
            "TableName": TABLE,
            "Key": items.image_key(CAT_ID),
            "UpdateExpression": ANY,
            "ConditionExpression": ANY,
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": ANY,
            "ReturnValues": "ALL_NEW",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        },
    )


def test_a_new_picture_is_stored_as_it_is_and_registered(
    api: Api, aws: Aws, photographs: str
) -> None:
    url = f"{photographs}/{CAT.name}"
    expect_put(aws)
    expect_registration(aws, url)
    response = post(api, {"url": url})
    assert response.status_code == 202
    assert response.headers["Location"].endswith(f"/images/{CAT_ID}")
    assert response.json_body["id"] == CAT_ID
    assert response.json_body["status"] == "PENDING"
    assert response.json_body["sources"] == [url]


def test_a_picture_that_is_known_is_answered_200(api: Api, aws: Aws, photographs: str) -> None:
    url = f"{photographs}/{CAT.name}?again"
    expect_put(aws, refused=True)
    expect_registration(aws, url)
    assert post(api, {"url": url}).status_code == 200


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
def test_a_bad_request_is_refused_and_nothing_is_stored(
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


def test_a_picture_that_is_not_there_is_told_and_nothing_is_stored(
    api: Api, aws: Aws, photographs: str
) -> None:
    response = post(api, {"url": f"{photographs}/no-such-picture.jpg"})
    assert response.status_code == 502
    assert "404" in response.json_body["Message"]


def test_a_page_that_is_no_image_is_told_and_nothing_is_stored(
    api: Api, aws: Aws, photographs: str
) -> None:
    response = post(api, {"url": f"{photographs}/CREDITS.md"})
    assert 400 <= response.status_code < 500


def test_an_unknown_image_is_a_404(api: Api, aws: Aws) -> None:
    aws["dynamodb"].add_response(
        "get_item",
        {},
        {"TableName": TABLE, "Key": items.image_key(CAT_ID), "ConsistentRead": True},
    )
    response = api.get(f"/images/{CAT_ID}")
    assert (response.status_code, response.json_body["Code"]) == (404, "ImageNotFound")


def test_an_id_that_cannot_be_one_is_a_404_without_a_question_to_the_catalog(
    api: Api, aws: Aws
) -> None:
    response = api.get("/images/not-an-id")
    assert (response.status_code, response.json_body["Code"]) == (404, "ImageNotFound")


def test_an_image_is_given_as_json_or_as_xml(api: Api, aws: Aws) -> None:
    for _ in range(2):
        aws["dynamodb"].add_response("get_item", {"Item": PENDING_ITEM}, None)
    assert api.get(f"/images/{CAT_ID}").json_body["status"] == "PENDING"
    response = api.get(f"/images/{CAT_ID}", Accept="application/xml")
    assert response.headers["Content-Type"] == "application/xml"
    assert f"<Id>{CAT_ID}</Id>" in response.body.decode()


def test_images_are_listed_newest_first_over_all_shards(api: Api, aws: Aws) -> None:
    times = {"0": "2026-11-23T03", "1": "2026-11-23T04", "2": "2026-11-23T01", "3": None}
    for shard, time in times.items():
        found = []
        if time:
            pk = f"IMAGE#{shard}"
            key = {"pk": pk, "sk": "IMAGE", "time_shard": shard, "time_key": time}
            found = [items.to_item(key)]
        aws["dynamodb"].add_response(
            "query",
            {"Items": found},
            {
                "TableName": TABLE,
                "IndexName": "by_time",
                "KeyConditionExpression": "time_shard = :shard AND time_key < :before",
                "ExpressionAttributeValues": items.to_item({":shard": shard, ":before": "~"}),
                "Limit": 3,
                "ScanIndexForward": False,
            },
        )
    expected = [items.to_item({"pk": f"IMAGE#{shard}", "sk": "IMAGE"}) for shard in ("1", "0")]
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


def test_images_under_a_label_are_listed_best_first(api: Api, aws: Aws) -> None:
    key = {"pk": f"IMAGE#{CAT_ID}", "sk": "LABEL#cat", "label_key": "cat", "confidence": 98.5}
    aws["dynamodb"].add_response(
        "query",
        {"Items": [items.to_item(key)], "LastEvaluatedKey": items.to_item(key)},
        {
            "TableName": TABLE,
            "IndexName": "by_label",
            "KeyConditionExpression": "label_key = :label AND confidence >= :least",
            "ExpressionAttributeValues": items.to_item({":label": "cat", ":least": 80.0}),
            "Limit": 1,
            "ScanIndexForward": False,
        },
    )
    aws["dynamodb"].add_response("batch_get_item", {"Responses": {TABLE: [PENDING_ITEM]}}, None)
    page = api.get("/images?label=CAT&min_confidence=80&limit=1").json_body
    assert [image["id"] for image in page["images"]] == [CAT_ID]

    other = api.get(f"/images?label=dog&cursor={page['cursor']}")
    assert (other.status_code, other.json_body["Code"]) == (400, "InvalidRequest")
    newest = api.get(f"/images?cursor={page['cursor']}")
    assert (newest.status_code, newest.json_body["Code"]) == (400, "InvalidRequest")

    aws["dynamodb"].add_response(
        "query",
        {"Items": []},
        {
            "TableName": TABLE,
            "IndexName": "by_label",
            "KeyConditionExpression": ANY,
            "ExpressionAttributeValues": ANY,
            "Limit": 1,
            "ScanIndexForward": False,
            "ExclusiveStartKey": items.to_item(key),
        },
    )
    last = api.get(f"/images?label=cat&limit=1&cursor={page['cursor']}").json_body
    assert last == {"images": [], "cursor": None}


@pytest.mark.parametrize("cursor", ["nonsense!", "bm9uc2Vuc2U", "W10", "e30"])
def test_a_cursor_that_is_none_of_ours_is_refused(api: Api, aws: Aws, cursor: str) -> None:
    response = api.get(f"/images?cursor={cursor}")
    assert (response.status_code, response.json_body["Code"]) == (400, "InvalidRequest")
