"""Writes catalogs of generated images to the emulator's DynamoDB, as items in the app's format."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from chalicelib.aws.dynamodb_table import Table, to_item
from chalicelib.catalog.findings_changes import FindingsChange
from chalicelib.catalog.items import Row, feature_values, row_values
from chalicelib.catalog.labels import COUNT_SHARDS, label_count_key
from chalicelib.catalog.search_index import plan_for
from chalicelib.model.changes import FeatureOutcome, with_features_requested, with_outcomes
from chalicelib.model.findings import Feature, Findings, Label
from chalicelib.model.image import Failure, Image, LabelSummary, Status
from chalicelib.model.serialization import timestamp

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
        labels_values = feature_values(image.id, Feature.LABELS, image.findings)
        labels_values["created_at"] = timestamp(image.created_at)
        yield to_item(labels_values)
        plan = plan_for(FindingsChange(image.id), labels_values, None)
        yield to_item(plan.search_values())
        for values in plan.puts:
            yield to_item(values)


def write(client: Any, table_name: str, images: Iterable[Image]) -> None:
    """Write images in batches, and count their labels."""
    table = Table(client, table_name)
    pending: list[dict[str, Any]] = []
    counts: Counter[tuple[str, str]] = Counter()  # by label and shard
    for each in images:
        pending += items_of(each)
        while len(pending) >= 25:
            _write_batch(client, table_name, pending[:25])
            pending = pending[25:]
        shard = COUNT_SHARDS[int(each.id[:2], 16) % len(COUNT_SHARDS)]
        counts.update((label.name, shard) for label in each.findings.labels)
    if pending:
        _write_batch(client, table_name, pending)
    for (name, shard), count in counts.items():
        key = label_count_key(name, shard)
        action = table.add_in_transaction(*key, {"count": count}, name=name)
        client.update_item(**action["Update"])


def _write_batch(client: Any, table_name: str, items: list[dict[str, Any]]) -> None:
    requests = [{"PutRequest": {"Item": item}} for item in items]
    response = client.batch_write_item(RequestItems={table_name: requests})
    assert not response["UnprocessedItems"]
