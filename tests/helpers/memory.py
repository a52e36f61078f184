"""AWS in memory (moto), for tests that need neither a socket nor the emulator.

tests/contracts runs the same suite against this and against the emulator.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import boto3
from moto import mock_aws

from chalicelib.aws.dynamodb_table import Table
from chalicelib.catalog.deliveries import Deliveries
from chalicelib.catalog.image_store import ImageStore
from chalicelib.catalog.images import Catalog
from chalicelib.catalog.items import Row, delivery_values, feature_values, row_values
from chalicelib.catalog.leases import Leases
from chalicelib.model.findings import Feature, Findings
from chalicelib.model.image import Image, Status
from chalicelib.model.serialization import timestamp
from tests.helpers.table_stream import MemoryStream, TableStream
from tests.helpers.tables import create_table_of

BUCKET_NAME = "images-bucket"
TABLE_NAME = "catalog"


@dataclass(frozen=True)
class MemoryAws:
    """The AWS resources that the classes under test use."""

    bucket_name: str
    table_name: str
    queue_url: str
    dead_letters_url: str
    max_receives: int

    def client(self, service: str) -> Any:
        """A boto3 client that works in memory; a subclass may use another backend."""
        return boto3.client(
            service,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def stream(self) -> TableStream:
        """The stream of the table."""
        return MemoryStream(self.table_name)


@contextmanager
def memory_aws() -> Iterator[MemoryAws]:
    """A bucket, the catalog's table and a queue with its dead-letter queue, all empty."""
    with mock_aws():
        aws = MemoryAws(BUCKET_NAME, TABLE_NAME, "", "", max_receives=3)
        aws.client("s3").create_bucket(Bucket=BUCKET_NAME)
        create_table(aws.client("dynamodb"), TABLE_NAME)
        queue_url, dead_letters_url = create_queues(aws.client("sqs"), "queue", aws.max_receives)
        yield replace(aws, queue_url=queue_url, dead_letters_url=dead_letters_url)


@dataclass(frozen=True)
class MemoryCatalog:
    """The catalog, leases and image store of one test, on AWS in memory."""

    aws: MemoryAws
    table: Table
    catalog: Catalog
    deliveries: Deliveries
    leases: Leases
    store: ImageStore

    @classmethod
    def over(cls, aws: MemoryAws) -> "MemoryCatalog":
        """An empty catalog; an image that is not registered has LABELS requested."""
        table = Table(aws.client("dynamodb"), aws.table_name)
        catalog = Catalog(table)
        deliveries = Deliveries(table)
        leases = Leases(table, catalog, deliveries, lambda image_id: (Feature.LABELS,))
        store = ImageStore(aws.client("s3"), aws.bucket_name)
        return cls(aws, table, catalog, deliveries, leases, store)

    def put_object(self, image_id: str) -> None:
        """Store an image in the bucket."""
        self.store.put(image_id, b"content", "image/png", [Feature.LABELS])

    def write(self, image: Image) -> None:
        """Write an image with its findings, as the row's next revision."""
        row = self.catalog.row(image.id)
        revision = 1 if row is None else row.revision + 1
        labels = image.summary().labels
        bare = replace(image, findings=Findings(), deliveries=())
        self.table.put(row_values(Row(bare, labels, revision)))
        for delivery in image.deliveries:
            self.table.put(delivery_values(image.id, delivery))
        for state in image.features:
            if state.status is Status.RECOGNIZED:
                values = feature_values(image.id, state.name, image.findings)
                self.table.put(values | {"created_at": timestamp(image.created_at)})


def create_table(client: Any, name: str) -> None:
    """Create a table with the keys, indexes and stream of the catalog's table."""
    create_table_of(client, name, "recognition", "CatalogTable")


def create_queues(client: Any, name: str, max_receives: int) -> tuple[str, str]:
    """Create a queue and its dead-letter queue, and return the URLs of both."""
    dead_letters_url: str = client.create_queue(QueueName=f"{name}-dead-letters")["QueueUrl"]
    arn = client.get_queue_attributes(QueueUrl=dead_letters_url, AttributeNames=["QueueArn"])
    policy = {
        "deadLetterTargetArn": arn["Attributes"]["QueueArn"],
        "maxReceiveCount": max_receives,
    }
    queue_url: str = client.create_queue(
        QueueName=name,
        Attributes={"RedrivePolicy": json.dumps(policy), "VisibilityTimeout": "60"},
    )["QueueUrl"]
    return queue_url, dead_letters_url
