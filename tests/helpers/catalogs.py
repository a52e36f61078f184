"""Writes catalogs of generated images to the emulator's DynamoDB, as items in the app's format."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from chalicelib.aws.dynamodb_table import Table, to_item
from chalicelib.catalog.items import Row, feature_values, label_values, row_values
from chalicelib.catalog.labels import count_label
from chalicelib.model.changes import FeatureOutcome, with_features_requested, with_outcomes
from chalicelib.model.findings import Feature, Findings, Label
from chalicelib.model.image import Failure, Image, LabelSummary, Status

EPOCH = datetime(2026, 11, 1, tzinfo=UTC)


def image(
    image_id: str,
    created_at: datetime,
    labels: tuple[Label, ...] = (),
    status: Status = Status.RECOGNIZED,
) -> Image:
    """An image in a status, with labels as its findings unless it is PENDING."""
    pending = with_features_requested(
        Image(image_id, Status.PENDING, created_at), [Feature.LABELS], created_at
    )
    if status is Status.PENDING:
        return pending
    failure = Failure("Code", "reason") if status is Status.FAILED else None
    completed = with_outcomes(pending, [FeatureOutcome(Feature.LABELS, "3.0", failure)], created_at)
    return replace(completed, findings=Findings(labels=labels))


def items_of(image: Image) -> Iterator[dict[str, Any]]:
    """All items of an image except the counts of its labels, in DynamoDB's typed values."""
    labels = image.findings.labels
    summaries = tuple(LabelSummary(label.name, label.confidence) for label in labels)
    yield to_item(row_values(Row(replace(image, findings=Findings()), summaries, revision=1)))
    if image.status is Status.RECOGNIZED:
        yield to_item(feature_values(image.id, Feature.LABELS, image.findings))
        for values in label_values(image, labels, limit=60):
            yield to_item(values)


def write(client: Any, table_name: str, images: Iterable[Image]) -> None:
    """Write images in batches, and count their labels."""
    table = Table(client, table_name)
    pending: list[dict[str, Any]] = []
    counts: Counter[tuple[str, str]] = Counter()  # by label and the id's digits that pick a shard
    for each in images:
        pending += items_of(each)
        while len(pending) >= 25:
            _write_batch(client, table_name, pending[:25])
            pending = pending[25:]
        counts.update((label.name, each.id[:2]) for label in each.findings.labels)
    if pending:
        _write_batch(client, table_name, pending)
    for (name, id_start), count in counts.items():
        client.update_item(**count_label(table, name, id_start, count)["Update"])


def _write_batch(client: Any, table_name: str, items: list[dict[str, Any]]) -> None:
    requests = [{"PutRequest": {"Item": item}} for item in items]
    response = client.batch_write_item(RequestItems={table_name: requests})
    assert not response["UnprocessedItems"]
