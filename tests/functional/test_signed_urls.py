"""Secrets in URLs are used for the fetch and appear nowhere else; over AWS in memory."""

import json
from typing import Any

import pytest

from chalicelib.aws.clients import client
from chalicelib.services import Services
from tests.functional.conftest import Lines
from tests.helpers.gateway import Gateway

CAT = "chelsea-cat.png"
SECRET = "Zq7xK2vL9mT4wB8nR3c"
QUERY = f"id=5&X-Amz-Signature={SECRET}&token=abc{SECRET[:4]}#{SECRET}"


def everything_stored() -> str:
    dynamodb: Any = client("dynamodb")
    tables = dynamodb.list_tables()["TableNames"]
    return "".join(json.dumps(dynamodb.scan(TableName=name)["Items"]) for name in tables)


def test_the_signature_of_an_images_url_is_neither_stored_shown_nor_logged(
    gateway: Gateway, memory: Services, photographs: str, lines: Lines
) -> None:
    body = json.dumps({"url": f"{photographs}/{CAT}?{QUERY}"})
    posts = [gateway.request("POST", "/images", body=body, idempotency_key="k") for _ in range(2)]
    assert [post.status_code for post in posts] == [202, 202]
    assert posts[0].body["sources"] == [f"{photographs}/{CAT}?id=5"]
    parameters = {"image_id": posts[0].body["id"]}
    read = gateway.request("GET", "/images/{image_id}", parameters=parameters)
    document = gateway.request(
        "GET", "/images/{image_id}", parameters=parameters, accept="application/xml"
    )
    assert "?id=5</Source>" in document.body
    for text in (str(posts), str(read), document.body, everything_stored(), str(lines())):
        assert SECRET[:4] not in text


@pytest.mark.parametrize(
    "url",
    [
        f"https://alice:{SECRET}@example.com/cat.jpg",
        f"https://alice:{SECRET}#x@example.com/cat.jpg",
        f"https://alice:{SECRET}\u2100@example.com/cat.jpg",
        f"https://localhost/cat.jpg?sig={SECRET}",
        f"ftp://alice:{SECRET}@example.com/cat.jpg",
        f"https://exa mple.com/?token={SECRET}",
        f"https://[example.com/?token={SECRET}",
    ],
)
def test_the_refusal_of_a_url_does_not_quote_its_secret(
    gateway: Gateway, memory: Services, lines: Lines, url: str
) -> None:
    refused = gateway.request("POST", "/images", body=json.dumps({"url": url}))
    assert refused.status_code == 400
    batch = gateway.request("POST", "/batches", body=json.dumps({"urls": [url]}))
    queue_url = memory._settings.intake_queue_url
    (message,) = client("sqs").receive_message(QueueUrl=queue_url)["Messages"]
    assert SECRET in json.loads(message["Body"])["url"]
    take_in(memory, message["Body"])
    shown = gateway.request("GET", "/batches/{batch_id}", parameters={"batch_id": batch.body["id"]})
    assert shown.body["failed"] == 1
    for text in (str(refused), str(batch), str(shown), everything_stored(), str(lines())):
        assert SECRET not in text


def take_in(memory: Services, body: str) -> None:
    """Process a message of the intake queue, as Lambda does with what SQS delivers."""
    record = {
        "messageId": "1",
        "receiptHandle": "1",
        "body": body,
        "attributes": {"ApproximateReceiveCount": "1"},
    }
    memory.intake_queue.process({"Records": [record]}, memory.queued_images.take_in)
