"""Converts an image to items of the catalog's table, and back. `keys` describes their keys."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from chalicelib.aws.dynamodb_table import Item, from_item
from chalicelib.catalog import keys
from chalicelib.model.findings import FINDINGS_OF, Feature, Findings
from chalicelib.model.image import (
    Delivery,
    DeliveryStatus,
    FeatureState,
    Image,
    ImageSummary,
    LabelSummary,
    Status,
)
from chalicelib.model.serialization import from_plain, timestamp, to_plain

_IMAGE_FIELDS = (
    "status",
    "created_at",
    "sources",
    "content",
    "original",
    "features",
    "recognized_at",
    "failure",
    "result_delivery",
    "last_delivery",
)
_SUMMARY_FIELDS = (
    "status",
    "created_at",
    "content",
    "features",
    "recognized_at",
    "failure",
)
_DELIVERY_FIELDS = (
    "tries",
    "last_tried_at",
    "reason",
    "number",
    "status_code",
    "requested_at",
    "next_try_at",
    "requested_by",
)

# An image shows its most recent deliveries; the items of older ones are deleted.
MAX_DELIVERIES = 10


@dataclass(frozen=True)
class Row:
    """An image's item: the image without findings and deliveries, and a summary of its labels.

    `revision` grows with each write of the item. `leased_until` is the token of the lease on the
    image, None if no invocation has had one since the image's last result.
    """

    image: Image
    labels: tuple[LabelSummary, ...] = ()
    revision: int = 0
    leased_until: str | None = None

    def summary(self) -> ImageSummary:
        """The image as an entry of a list."""
        return replace(self.image.summary(), labels=self.labels)


def first_revision(now: datetime) -> int:
    """The revision of a new item: microseconds since 1970.

    An image that is removed and stored again therefore never has a revision that it had before, so
    no condition on an old revision holds by chance.
    """
    return int(now.timestamp() * 1_000_000)


def row_values(row: Row) -> dict[str, Any]:
    """An image's item in plain values, with the keys of its indexes."""
    image = row.image
    shard = keys.shard_of(image.id)
    plain_image = to_plain(image)
    values = {name: plain_image[name] for name in _IMAGE_FIELDS}
    if image.pending:
        since = min(state.requested_at for state in image.features if state.name in image.pending)
        values |= _waiting(image.id, keys.IMAGE_SORT_KEY, since)
    if image.status is not Status.PENDING:  # PENDING images are in the index by_waiting
        values["status_shard"] = keys.status_shard(image.status, shard)
    if image.failure:
        values["failure_shard"] = keys.failure_shard(image.failure.code, shard)
    if image.requested_by:
        values["requested_by"] = _features_by_name(image.requested_by)
    return values | {
        "pk": keys.partition_key(image.id),
        "sk": keys.IMAGE_SORT_KEY,
        "time_shard": shard,
        "time_key": keys.time_key(image.created_at, image.id),
        "labels": [[label.name, label.confidence] for label in row.labels],
        "revision": row.revision,
        "leased_until": row.leased_until,
    }


def row_of(values: Mapping[str, Any]) -> Row:
    """The inverse of `row_values`; the image has no findings and no deliveries."""
    image_id = keys.image_id_of_partition(values["pk"])
    fields = {name: values[name] for name in _IMAGE_FIELDS if name in values}
    image = from_plain(Image, {"id": image_id, **fields})
    return Row(
        replace(image, requested_by=_names_by_feature(values.get("requested_by", {}))),
        _label_summaries(values),
        int(values["revision"]),
        values.get("leased_until"),
    )


def tombstone_values(image_id: str, revision: int, now: datetime) -> dict[str, Any]:
    """The item that stands in place of a removed image's, and holds nothing of the image.

    It stops an invocation that still recognizes the image from writing findings that nobody would
    delete. Reconciliation deletes it after a while.
    """
    return {
        "pk": keys.partition_key(image_id),
        "sk": keys.IMAGE_SORT_KEY,
        "removed_at": timestamp(now),
        "revision": revision,
        **_waiting(image_id, keys.IMAGE_SORT_KEY, now),
    }


def is_tombstone(values: Mapping[str, Any]) -> bool:
    """Whether an image's item says that the image was removed."""
    return "removed_at" in values


def summary_of(values: Mapping[str, Any]) -> ImageSummary:
    """The image as an entry of a list, from its item in plain values."""
    fields = {name: values[name] for name in _SUMMARY_FIELDS if name in values}
    summary = from_plain(ImageSummary, {"id": keys.image_id_of_partition(values["pk"]), **fields})
    return replace(summary, labels=_label_summaries(values))


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


def feature_of(values: Mapping[str, Any]) -> Feature:
    """The feature whose findings an item holds."""
    return Feature(values["sk"].removeprefix(keys.FEATURE_PREFIX))


def findings_of(items: Iterable[Mapping[str, Any]]) -> Findings:
    """The findings in the items of an image's features, in plain values."""
    fields = {
        FINDINGS_OF[feature_of(values)]: values["findings"]
        for values in items
        if "findings" in values
    }
    return from_plain(Findings, fields)


def delivery_values(image_id: str, delivery: Delivery) -> dict[str, Any]:
    """The item of a delivery, in plain values; a PENDING one waits until its next attempt."""
    plain = to_plain(delivery)
    values = {name: plain[name] for name in _DELIVERY_FIELDS}
    if not delivery.requested_by:
        del values["requested_by"]
    since = delivery.next_try_at or delivery.requested_at
    if delivery.status is DeliveryStatus.PENDING and since:
        values |= _waiting(image_id, keys.DELIVERY_PREFIX, since)
    return values | {
        "pk": keys.partition_key(image_id),
        "sk": keys.delivery_sort_key(delivery.number),
        "delivery_status": delivery.status.value,
    }


def delivery_of(values: Mapping[str, Any]) -> Delivery:
    """The inverse of `delivery_values`."""
    fields = {name: values[name] for name in _DELIVERY_FIELDS if name in values}
    return from_plain(Delivery, {"status": values["delivery_status"], **fields})


def image_of(items: Iterable[Mapping[str, Any]]) -> Image | None:
    """An image with its findings and deliveries, from the items of its partition.

    None without the image's item, or if that is a tombstone. The image's item decides which
    findings count: those of a feature that is not recognized, or not yet, are left out. Each
    delivery supersedes the earlier ones that are still PENDING.
    """
    by_sort_key = {values["sk"]: values for values in items}
    image_values = by_sort_key.get(keys.IMAGE_SORT_KEY)
    if image_values is None or is_tombstone(image_values):
        return None
    image = row_of(image_values).image
    shown = {keys.feature_sort_key(each.name) for each in image.features if _is_shown(image, each)}
    deliveries = sorted(
        (delivery_of(each) for key, each in by_sort_key.items() if _is_delivery(key)),
        key=lambda delivery: delivery.number,
    )
    if image.pending:  # the delivery of a result may be written shortly before the result
        deliveries = [each for each in deliveries if each.number < image.result_delivery]
    return replace(
        image,
        findings=findings_of(each for key, each in by_sort_key.items() if key in shown),
        deliveries=tuple(
            _superseded(each, deliveries[-1].number) for each in deliveries[-MAX_DELIVERIES:]
        ),
    )


def _is_shown(image: Image, state: FeatureState) -> bool:
    # A feature that is requested again shows its earlier findings until it has new ones.
    is_again = state.status is Status.PENDING and image.status is not Status.PENDING
    return state.status is Status.RECOGNIZED or is_again


def _is_delivery(sort_key: str) -> bool:
    return sort_key.startswith(keys.DELIVERY_PREFIX)


def _superseded(delivery: Delivery, last_number: int) -> Delivery:
    if delivery.status is DeliveryStatus.PENDING and delivery.number < last_number:
        return replace(delivery, status=DeliveryStatus.SUPERSEDED, next_try_at=None)
    return delivery


def _features_by_name(requested_by: Mapping[Feature, str]) -> dict[str, list[str]]:
    """Each name once, because a name can be long and an item is paid for by its started KB."""
    features: dict[str, list[str]] = {}
    for feature, name in requested_by.items():
        features.setdefault(name, []).append(feature.value)
    return features


def _names_by_feature(features: Mapping[str, Iterable[str]]) -> dict[Feature, str]:
    return {Feature(each): name for name, some in features.items() for each in some}


def _label_summaries(values: Mapping[str, Any]) -> tuple[LabelSummary, ...]:
    return tuple(
        LabelSummary(name, float(confidence)) for name, confidence in values.get("labels", ())
    )


def _waiting(image_id: str, sort_key: str, since: datetime) -> dict[str, str]:
    """The keys in the index by_waiting of an item that waits for somebody to act."""
    return {
        "waiting_shard": keys.waiting_shard(sort_key, keys.shard_of(image_id)),
        "waiting_since": keys.time_key(since, image_id),
    }
