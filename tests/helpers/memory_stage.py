"""The whole app over AWS in memory, whose DynamoDB is as strict with texts and keys as AWS's."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from chalicelib.aws import clients
from chalicelib.services import Services
from chalicelib.settings import Settings
from tests.helpers.memory import BUCKET_NAME, TABLE_NAME, create_queues
from tests.helpers.tables import create_table_of

IDEMPOTENCY_TABLE_NAME = "idempotency"
QUEUES = ("intake", "recognition", "integration")

_MAX_BYTES_OF_KEYS = {"pk": 2048, "sk": 1024}


@contextmanager
def memory_services(settings: Settings) -> Iterator[Services]:
    """The services of an empty stage in memory; `settings` apply, but for the resources' names."""
    with mock_aws(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        clients.client.cache_clear()
        dynamodb, s3, sqs = (clients.client(name) for name in ("dynamodb", "s3", "sqs"))
        s3.create_bucket(Bucket=BUCKET_NAME)
        create_table_of(dynamodb, TABLE_NAME, "recognition", "CatalogTable")
        create_table_of(dynamodb, IDEMPOTENCY_TABLE_NAME, "api", "IdempotencyTable")
        dynamodb.meta.events.register("provide-client-params.dynamodb", check_as_dynamodb_does)
        intake, recognition, integration = (create_queues(sqs, name, 5)[0] for name in QUEUES)
        yield Services(
            replace(
                settings,
                images_bucket_name=BUCKET_NAME,
                catalog_table_name=TABLE_NAME,
                idempotency_table_name=IDEMPOTENCY_TABLE_NAME,
                intake_queue_url=intake,
                recognition_queue_url=recognition,
                integration_queue_url=integration,
            )
        )
    clients.client.cache_clear()


def check_as_dynamodb_does(params: dict[str, Any], model: Any, **_: Any) -> None:
    """Raise the errors that DynamoDB has and moto has not.

    They are for texts that are not UTF-8, keys that are too long, and a BETWEEN whose ends are the
    wrong way round.
    """
    for name, text in _texts_in(params):
        try:
            size = len(text.encode())
        except UnicodeEncodeError:
            raise _refusal(model, f"{name} is not UTF-8") from None
        if size > _MAX_BYTES_OF_KEYS.get(name, 400 * 1024):
            raise _refusal(model, f"{name} is too long")
    words = params.get("KeyConditionExpression", "").split()
    values = params.get("ExpressionAttributeValues", {})
    for position, word in enumerate(words):
        if word == "BETWEEN":
            low, high = (values[words[position + step]]["S"] for step in (1, 3))
            if low > high:
                raise _refusal(model, "the BETWEEN operator's bounds are the wrong way round")
            if max(len(low.encode()), len(high.encode())) > _MAX_BYTES_OF_KEYS["sk"]:
                raise _refusal(model, "a key is too long")


def _texts_in(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    match value:
        case str():
            yield name, value
        case dict():
            for key, part in value.items():
                yield "a name", str(key)
                yield from _texts_in(part, name if key in ("S", "L", "M") else str(key))
        case list() | tuple():
            for part in value:
                yield from _texts_in(part, name)


def _refusal(model: Any, message: str) -> ClientError:
    error = {"Error": {"Code": "ValidationException", "Message": message}}
    return ClientError(error, model.name)
