import base64
import json
from datetime import UTC, datetime
from http.server import ThreadingHTTPServer
from typing import Any

import pytest
from botocore.stub import ANY, Stubber
from chalice.test import Client
from standardwebhooks.webhooks import Webhook

from chalicelib.aws.dynamodb_table import to_item
from chalicelib.aws.sqs_queue import BatchIncomplete
from chalicelib.catalog import items
from chalicelib.catalog.deliveries import new_delivery
from chalicelib.catalog.items import Row
from chalicelib.integration import webhook_signing
from chalicelib.model.changes import FeatureOutcome, with_features_requested, with_outcomes
from chalicelib.model.events import result_event_id
from chalicelib.model.findings import Feature, Findings, Label
from chalicelib.model.image import Image, Status
from chalicelib.recognition.request_rate import RequestRate
from tests.functional.conftest import (
    BUCKET,
    INTAKE_DEAD_LETTERS,
    INTEGRATION_DEAD_LETTERS,
    RECOGNITION_DEAD_LETTERS,
    RECOGNITION_QUEUE,
    REMOVALS_DEAD_LETTERS,
    TABLE,
)

Aws = dict[str, Stubber]
IMAGE_ID = "0123456789abcdef0123456789abcdef"
NOW = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)
PENDING = with_features_requested(
    Image(IMAGE_ID, Status.PENDING, NOW), [Feature.LABELS], NOW, requested_by="tester"
)
RECOGNIZED = with_outcomes(PENDING, [FeatureOutcome(Feature.LABELS, "3.0")], NOW)
IMAGE_ITEM = to_item(items.row_values(Row(PENDING, revision=3)))
RECOGNIZED_ITEM = to_item(items.row_values(Row(RECOGNIZED, revision=4)))
LABELS_ITEM = to_item(
    items.feature_values(IMAGE_ID, Feature.LABELS, Findings(labels=(Label("Cat", 98.5),)))
)
DELIVERY_ITEM = to_item(items.delivery_values(IMAGE_ID, new_delivery(1, NOW)))
WEBHOOK_ID = result_event_id(RECOGNIZED)
IMAGE_KEY = to_item({"pk": f"IMAGE#{IMAGE_ID}", "sk": "IMAGE"})
SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four b").decode()
LABEL = {
    "Name": "Cat",
    "Confidence": 98.5,
    "Parents": [{"Name": "Animal"}],
    "Aliases": [{"Name": "Kitty"}],
    "Categories": [{"Name": "Animals and Pets"}],
    "Instances": [
        {
            "Confidence": 97.0,
            "BoundingBox": {"Left": 0.1, "Top": 0.2, "Width": 0.3, "Height": 0.4},
        }
    ],
}


def sqs_event(*bodies: Any, receive_count: int = 1) -> dict[str, Any]:
    return {
        "Records": [
            {
                "messageId": f"id-{number}",
                "receiptHandle": f"receipt-{number}",
                "body": body if isinstance(body, str) else json.dumps(body),
                "attributes": {"ApproximateReceiveCount": str(receive_count)},
            }
            for number, body in enumerate(bodies)
        ]
    }


def s3_event(key: str) -> dict[str, Any]:
    return {"Records": [{"s3": {"bucket": {"name": BUCKET}, "object": {"key": key}}}]}


def expect_lease(aws: Aws) -> None:
    aws["dynamodb"].add_response(
        "update_item",
        {"Attributes": IMAGE_ITEM},
        {
            "TableName": TABLE,
            "Key": IMAGE_KEY,
            "UpdateExpression": (
                "SET earlier_lease = if_not_exists(leased_until, :never), leased_until = :token "
                "ADD revision :one"
            ),
            "ConditionExpression": ANY,
            "ExpressionAttributeValues": ANY,
            "ReturnValues": "ALL_NEW",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        },
    )


def expect_detect_labels(aws: Aws) -> None:
    aws["rekognition"].add_response(
        "detect_labels",
        {"Labels": [LABEL], "LabelModelVersion": "3.0"},
        {
            "Image": {"S3Object": {"Bucket": BUCKET, "Name": f"images/{IMAGE_ID}"}},
            "Features": ["GENERAL_LABELS"],
            "MaxLabels": 10,
            "MinConfidence": 70.0,
        },
    )


def expect_result(aws: Aws) -> None:
    """First the findings are kept, then the delivery and the image written, then published."""
    for _ in ("FEATURE", "DELIVERY"):
        aws["dynamodb"].add_response("put_item", {}, {"TableName": TABLE, "Item": ANY})
    image = {
        "TableName": TABLE,
        "Item": ANY,
        "ConditionExpression": "revision = :revision",
        "ExpressionAttributeValues": ANY,
    }
    aws["dynamodb"].add_response("put_item", {}, image)
    aws["sns"].add_response(
        "publish",
        {"MessageId": "1"},
        {
            "TopicArn": ANY,
            "Message": ANY,
            "MessageAttributes": {
                "status": {"DataType": "String", "StringValue": "RECOGNIZED"},
                "features": {"DataType": "String.Array", "StringValue": '["LABELS"]'},
                "labels": {"DataType": "String.Array", "StringValue": '["Cat"]'},
            },
        },
    )


def test_a_stored_image_is_recognized_written_and_published(client: Client, aws: Aws) -> None:
    expect_lease(aws)
    expect_detect_labels(aws)
    expect_result(aws)
    client.lambda_.invoke("recognize_images", sqs_event(s3_event(f"images/{IMAGE_ID}")))


def expect_dead_letter(aws: Aws, url: str, body: str) -> None:
    aws["sqs"].add_response(
        "send_message", {"MessageId": "1"}, {"QueueUrl": url, "MessageBody": body}
    )


def test_a_foreign_message_does_not_stop_the_batch_and_is_a_dead_letter_at_once(
    client: Client, aws: Aws
) -> None:
    expect_lease(aws)
    expect_detect_labels(aws)
    expect_result(aws)
    expect_dead_letter(aws, RECOGNITION_DEAD_LETTERS, "not ours")
    event = sqs_event(
        "not ours",
        {"Event": "s3:TestEvent"},
        s3_event("images/caf%C3%A9+au+lait.jpg"),
        s3_event(f"images/{IMAGE_ID}"),
    )
    result = client.lambda_.invoke("recognize_images", event)
    assert result.payload == {"batchItemFailures": []}


def test_a_failed_recognition_releases_its_lease_and_is_retried_later(
    client: Client, aws: Aws
) -> None:
    expect_lease(aws)
    aws["rekognition"].add_client_error("detect_labels", "AccessDeniedException", "No.")
    aws["dynamodb"].add_response(
        "update_item",
        {"Attributes": IMAGE_ITEM},
        {
            "TableName": TABLE,
            "Key": IMAGE_KEY,
            "UpdateExpression": "SET leased_until = :now ADD revision :one",
            "ConditionExpression": "leased_until = :token",
            "ExpressionAttributeValues": ANY,
            "ReturnValues": "ALL_NEW",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        },
    )
    aws["sqs"].add_response("change_message_visibility", {}, None)
    with pytest.raises(BatchIncomplete):
        client.lambda_.invoke("recognize_images", sqs_event(s3_event(f"images/{IMAGE_ID}")))


def test_a_throttled_recognition_is_put_back_as_if_it_had_never_been_received(
    client: Client, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    import app

    rate = RequestRate(5, patience_seconds=0)
    monkeypatch.setattr(app.services.recognition._rekognition, "_rate", rate)
    expect_lease(aws)
    aws["rekognition"].add_client_error("detect_labels", "ThrottlingException", "Slow down.")
    aws["dynamodb"].add_response("update_item", {"Attributes": IMAGE_ITEM}, None)  # the release
    body = json.dumps(s3_event(f"images/{IMAGE_ID}"))
    aws["sqs"].add_response(
        "send_message",
        {"MessageId": "1"},
        {"QueueUrl": RECOGNITION_QUEUE, "MessageBody": body, "DelaySeconds": ANY},
    )
    # At the last receive, too, and nothing is recorded as failed.
    result = client.lambda_.invoke("recognize_images", sqs_event(body, receive_count=8))
    assert result.payload == {"batchItemFailures": []}


def test_a_result_is_delivered_as_xml_and_its_delivery_recorded(
    client: Client, aws: Aws, third_party: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_signing, "CACHE_SECONDS", -1)
    aws["dynamodb"].add_response(
        "query", {"Items": [DELIVERY_ITEM, LABELS_ITEM, RECOGNIZED_ITEM]}, None
    )
    aws["ssm"].add_response(
        "get_parameters_by_path",
        {"Parameters": [{"Name": "/webhook-secrets/1", "Value": SECRET}]},
        {"Path": "/webhook-secrets", "WithDecryption": True},
    )
    aws["dynamodb"].add_response(
        "put_item",
        {},
        {
            "TableName": TABLE,
            "Item": ANY,
            "ConditionExpression": "attribute_exists(pk) AND delivery_status <> :delivered",
            "ExpressionAttributeValues": {":delivered": {"S": "DELIVERED"}},
        },
    )
    event = {"id": WEBHOOK_ID, "data": {"image_id": IMAGE_ID}}
    client.lambda_.invoke("deliver_results", sqs_event(event))
    headers, body = third_party.received[-1]  # type: ignore[attr-defined]
    headers = {name.lower(): value for name, value in headers.items()}
    assert headers["content-type"] == "application/xml"
    assert headers["webhook-id"] == WEBHOOK_ID
    assert b"<Name>Cat</Name>" in body
    Webhook(SECRET).verify(body, headers, json_parse=False)


def test_a_refused_result_goes_to_the_dead_letter_queue(
    client: Client, aws: Aws, third_party: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_signing, "CACHE_SECONDS", -1)
    third_party.status = 400  # type: ignore[attr-defined]
    aws["dynamodb"].add_response(
        "query", {"Items": [DELIVERY_ITEM, LABELS_ITEM, RECOGNIZED_ITEM]}, None
    )
    aws["ssm"].add_response(
        "get_parameters_by_path",
        {"Parameters": [{"Name": "/webhook-secrets/1", "Value": SECRET}]},
        None,
    )
    aws["dynamodb"].add_response("put_item", {}, None)
    event = {"id": WEBHOOK_ID, "data": {"image_id": IMAGE_ID}}
    aws["sqs"].add_response(
        "send_message",
        {"MessageId": "1"},
        {"QueueUrl": INTEGRATION_DEAD_LETTERS, "MessageBody": json.dumps(event)},
    )
    client.lambda_.invoke("deliver_results", sqs_event(event))


@pytest.mark.parametrize(
    ("function", "dead_letters_url"),
    [
        ("take_in_images", INTAKE_DEAD_LETTERS),
        ("recognize_images", RECOGNITION_DEAD_LETTERS),
        ("deliver_results", INTEGRATION_DEAD_LETTERS),
        ("forget_removed_image", REMOVALS_DEAD_LETTERS),
    ],
)
def test_a_foreign_message_in_any_queue_is_a_dead_letter_at_once(
    client: Client, aws: Aws, function: str, dead_letters_url: str
) -> None:
    expect_dead_letter(aws, dead_letters_url, "{}")
    result = client.lambda_.invoke(function, sqs_event("{}"))
    assert result.payload == {"batchItemFailures": []}


def test_a_function_whose_responses_lambda_reads_names_the_message_that_failed(
    client: Client, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    import app

    monkeypatch.setattr(app.services.recognition_queue, "_reports_failures", True)
    aws["dynamodb"].add_client_error("update_item", "InternalServerError", http_status_code=400)
    aws["sqs"].add_response("change_message_visibility", {}, None)
    event = sqs_event(s3_event(f"images/{IMAGE_ID}"), {"Event": "s3:TestEvent"})
    result = client.lambda_.invoke("recognize_images", event)
    assert result.payload == {"batchItemFailures": [{"itemIdentifier": "id-0"}]}


def test_the_rows_of_a_removed_image_are_deleted(client: Client, aws: Aws) -> None:
    names = ("sk", "revision", "removed_at")
    aws["dynamodb"].add_response(
        "query",
        {
            "Items": [
                to_item({"sk": "DELIVERY#000001"}),
                to_item({"sk": "FEATURE#LABELS"}),
                to_item({"sk": "IMAGE", "revision": 3}),
            ]
        },
        {
            "TableName": TABLE,
            "KeyConditionExpression": "pk = :pk AND sk <= :last",
            "ExpressionAttributeValues": to_item({":pk": f"IMAGE#{IMAGE_ID}", ":last": "IMAGE"}),
            "ProjectionExpression": ", ".join(f"#{name}" for name in names),
            "ExpressionAttributeNames": {f"#{name}": name for name in names},
            "ConsistentRead": True,
        },
    )
    aws["s3"].add_client_error(
        "head_object",
        "404",
        http_status_code=404,
        expected_params={"Bucket": BUCKET, "Key": f"images/{IMAGE_ID}"},
    )
    partition = {"pk": f"IMAGE#{IMAGE_ID}"}
    aws["dynamodb"].add_response(
        "transact_write_items",
        {},
        {
            "ClientRequestToken": ANY,
            "TransactItems": [
                {
                    "Put": {
                        "TableName": TABLE,
                        "Item": ANY,
                        "ConditionExpression": "revision = :revision",
                        "ExpressionAttributeValues": {":revision": {"N": "3"}},
                    }
                },
                *(
                    {"Delete": {"TableName": TABLE, "Key": to_item(partition | {"sk": sort_key})}}
                    for sort_key in ("DELIVERY#000001", "FEATURE#LABELS")
                ),
            ],
        },
    )
    client.lambda_.invoke("forget_removed_image", sqs_event(s3_event(f"images/{IMAGE_ID}")))


def test_a_removed_object_that_is_not_an_image_is_ignored(client: Client, aws: Aws) -> None:
    event = sqs_event(s3_event("images/caf%C3%A9+au+lait.jpg"), {"Event": "s3:TestEvent"})
    client.lambda_.invoke("forget_removed_image", event)
