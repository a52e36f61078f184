"""Converts an image to items of the catalog's table, and back. `keys` describes their keys."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.aws.dynamodb_table import Item, from_item
from chalicelib.catalog import keys
from chalicelib.model.findings import FINDINGS_OF, Feature, Findings, Label
from chalicelib.model.image import Image, ImageSummary, LabelSummary
from chalicelib.model.serialization import from_plain, to_plain

_IMAGE_FIELDS = (
    "status",
    "created_at",
    "sources",
    "content",
    "original",
    "features",
    "recognized_at",
    "failure",
    "deliveries",
    "result_delivery",
)
_SUMMARY_FIELDS = (
    "status",
    "created_at",
    "content",
    "features",
    "labels",
    "recognized_at",
    "failure",
)


@dataclass(frozen=True)
class Row:
    """An image's item: the image without its findings, and a summary of its labels.

    `revision` counts the writes of the item. `leased_until` is the token of the lease on the image:
    the time at which it expires, as `timestamp` writes it, or None without a lease.
    """

    image: Image
    labels: tuple[LabelSummary, ...] = ()
    revision: int = 0
    leased_until: str | None = None

    def summary(self) -> ImageSummary:
        """The image as an entry of a list."""
        return replace(self.image.summary(), labels=self.labels)


def row_values(row: Row) -> dict[str, Any]:
    """An image's item in plain values, with the keys of its indexes."""
    image = row.image
    shard = keys.shard_of(image.id)
    plain_image = to_plain(image)
    values = {name: plain_image[name] for name in _IMAGE_FIELDS}
    if image.pending:
        since = min(state.requested_at for state in image.features if state.name in image.pending)
        values |= {"waiting_shard": shard, "waiting_since": keys.time_key(since, image.id)}
    return values | {
        "pk": keys.partition_key(image.id),
        "sk": keys.IMAGE_SORT_KEY,
        "time_shard": shard,
        "time_key": keys.time_key(image.created_at, image.id),
        "status_shard": keys.status_shard(image.status, shard),
        "labels": to_plain(row.labels),
        "revision": row.revision,
        "leased_until": row.leased_until,
    }


def row_of(values: Mapping[str, Any]) -> Row:
    """The inverse of `row_values`; the image has no findings."""
    image_id = keys.image_id_of_partition(values["pk"])
    fields = {name: values[name] for name in _IMAGE_FIELDS if name in values}
    return Row(
        from_plain(Image, {"id": image_id, **fields}),
        tuple(from_plain(LabelSummary, label) for label in values.get("labels", ())),
        int(values["revision"]),
        values.get("leased_until"),
    )


def summary_of(values: Mapping[str, Any]) -> ImageSummary:
    """The image as an entry of a list, from its item in plain values."""
    fields = {name: values[name] for name in _SUMMARY_FIELDS if name in values}
    return from_plain(ImageSummary, {"id": keys.image_id_of_partition(values["pk"]), **fields})


def summary_from_item(item: Item) -> ImageSummary:
    """The image as an entry of a list, from its item in DynamoDB's typed values."""
    return summary_of(from_item(item))


def feature_values(image_id: str, feature: Feature, findings: Findings) -> dict[str, Any]:
    """The item of a feature's findings, in plain values."""
    return {
        "pk": keys.partition_key(image_id),
        "sk": keys.feature_sort_key(feature),
        "findings": to_plain(getattr(findings, FINDINGS_OF[feature])),
    }


def findings_of(items: Iterable[Mapping[str, Any]]) -> Findings:
    """The findings in the items of an image's features, in plain values."""
    fields = {
        FINDINGS_OF[Feature(values["sk"].removeprefix(keys.FEATURE_PREFIX))]: values["findings"]
        for values in items
        if "findings" in values
    }
    return from_plain(Findings, fields)


def label_values(image: Image, labels: Iterable[Label], limit: int) -> Iterator[dict[str, Any]]:
    """The items that make an image searchable by each label, parent and alias, in plain values.

    At most `limit` items, those of the labels' own names first. Only these have a `name`. A parent
    or alias has the confidence of its most confident label.
    """
    found: dict[str, tuple[float, str | None]] = {}
    labels = tuple(labels)
    for label in labels:
        found.setdefault(keys.label_key(label.name), (label.confidence, label.name))
    for label in sorted(labels, key=lambda label: -label.confidence):
        for other_name in (*label.parents, *label.aliases):
            found.setdefault(keys.label_key(other_name), (label.confidence, None))
    for label_key, (confidence, name) in list(found.items())[:limit]:
        yield {
            "pk": keys.partition_key(image.id),
            "sk": keys.LABEL_PREFIX + label_key,
            "label_shard": keys.label_shard(label_key, keys.shard_of(image.id)),
            "best_key": keys.best_key(confidence, image.id),
            "time_key": keys.time_key(image.created_at, image.id),
            "name": name,
        }
