"""Leases on images: an invocation holds one while it recognizes an image and writes the findings.

A lease expires after a while. Until then no other invocation sends the image to Rekognition. After
that another one takes over from an invocation that was cut off.

What Rekognition answers is kept at once, in an item that no other invocation writes, before
anything that others may be writing too. So a takeover finds what is already paid for.
"""

import logging
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.aws.dynamodb_table import Table
from chalicelib.catalog import keys
from chalicelib.catalog.deliveries import Deliveries, new_delivery
from chalicelib.catalog.images import UNCHANGED, Catalog
from chalicelib.catalog.items import (
    Row,
    feature_of,
    feature_values,
    findings_of,
    is_tombstone,
    row_of,
    row_values,
)
from chalicelib.model.changes import FeatureOutcome, with_features_requested, with_outcomes
from chalicelib.model.findings import Feature, Findings, RekognitionCall
from chalicelib.model.image import Image, LabelSummary, Status
from chalicelib.model.serialization import timestamp

_AVAILABLE = (
    "attribute_exists(waiting_shard) AND attribute_not_exists(removed_at) "
    "AND (attribute_not_exists(leased_until) OR leased_until < :now)"
)
_NO_LEASE = "never"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lease:
    """An image's row, and the token that allows the holder to write findings.

    `token` is None if the lease was not granted: no feature is pending, or another invocation holds
    the lease. `is_takeover` says that an earlier holder did not finish.
    """

    row: Row
    token: str | None
    is_takeover: bool = False


@dataclass(frozen=True)
class Kept:
    """Findings that an earlier holder of the lease kept, of these features."""

    outcomes: tuple[FeatureOutcome, ...]
    findings: Findings


class Leases:
    """Grants leases, and writes the outcomes of their holders to the catalog.

    `initial_features` returns the features to recognize in an image, by its id, that is not
    registered in the catalog yet.
    """

    def __init__(
        self,
        table: Table,
        catalog: Catalog,
        deliveries: Deliveries,
        initial_features: Callable[[str], Sequence[Feature]],
    ) -> None:
        self._table = table
        self._catalog = catalog
        self._deliveries = deliveries
        self._initial_features = initial_features

    def acquire(self, image_id: str, now: datetime, duration: timedelta) -> Lease:
        """Acquire the lease on an image with pending features, unless another invocation holds it.

        Creates the row of an image that is not registered yet, because S3's notification arrived
        first or because the image was copied straight into the bucket.
        """
        # The time comes first, so that tokens sort by it. The rest tells apart two invocations at
        # the same time, and shows the invocation its own lease if the update's response was lost.
        token = f"{timestamp(now + duration)}#{uuid.uuid4().hex[:8]}"
        while True:
            is_granted, values = self._table.update(
                keys.partition_key(image_id),
                keys.IMAGE_SORT_KEY,
                "SET earlier_lease = if_not_exists(leased_until, :never), leased_until = :token "
                "ADD revision :one",
                {":token": token, ":one": 1, ":now": timestamp(now), ":never": _NO_LEASE},
                _AVAILABLE,
            )
            if values is not None and not is_tombstone(values):
                row = row_of(values)
                if is_granted or row.leased_until == token:
                    row = replace(row, leased_until=token)
                    return Lease(row, token, values.get("earlier_lease", _NO_LEASE) != _NO_LEASE)
                return Lease(row, None)
            features = self._initial_features(image_id)
            image = with_features_requested(Image(image_id, Status.PENDING, now), features, now)
            created = self._catalog.create(image, leased_until=token)
            if created is not None:
                return Lease(created, token)
            # Registered since the update.

    def release(self, lease: Lease) -> None:
        """Release a lease, so that the next attempt need not wait until it expires.

        The row still shows that there was a lease: the next holder looks for what this one kept.
        Does nothing if the lease has expired and another invocation holds one.
        """
        self._table.update(
            keys.partition_key(lease.row.image.id),
            keys.IMAGE_SORT_KEY,
            "SET leased_until = :now ADD revision :one",
            {":token": lease.token, ":one": 1, ":now": timestamp(datetime.now(UTC))},
            "leased_until = :token",
        )

    def keep(
        self,
        lease: Lease,
        call: RekognitionCall,
        findings: Findings,
        model_version: str | None,
        now: datetime,
    ) -> None:
        """Keep the findings of a call that Rekognition has answered, in items of their own.

        No other invocation writes them, so this does not contend with anything. The items also say
        which call was made; usage is counted from them. Raises botocore's ClientError.
        """
        requested_at = {state.name: state.requested_at for state in lease.row.image.features}
        requested_by = self._requested_by(lease, call.features)
        items = [
            feature_values(lease.row.image.id, feature, findings)
            | {
                "created_at": timestamp(lease.row.image.created_at),
                "requested_at": timestamp(requested_at[feature]),
                "model_version": model_version,
                "lease": lease.token,
                "called_at": timestamp(now),
                "operation": call.operation,
                # One of the features that share a call counts it.
                "calls": 1 if feature is call.features[0] else 0,
                **({"requested_by": requested_by[feature]} if requested_by.get(feature) else {}),
            }
            for feature in call.features
        ]
        if len(items) == 1:
            self._table.put(items[0])
        else:  # all or none of the features that share a call
            self._table.transact([self._table.put_in_transaction(item) for item in items])

    def _requested_by(self, lease: Lease, features: Iterable[Feature]) -> Mapping[Feature, str]:
        """The name of the token that requested each feature, as far as it is known.

        S3 may announce an image before its request is registered. Then the name comes later. That
        it cannot be read must not keep what is paid for from being kept.
        """
        requested_by = lease.row.image.requested_by
        if all(map(requested_by.get, features)):
            return requested_by
        try:
            row = self._catalog.row(lease.row.image.id)
        except (BotoCoreError, ClientError):
            logger.warning("It could not be read whose token requested the image", exc_info=True)
            return requested_by
        return row.image.requested_by if row else requested_by

    def kept(self, lease: Lease) -> Kept:
        """What earlier holders of the lease kept for the requests that are still pending."""
        states = {state.name: state for state in lease.row.image.features}
        items = [
            item
            for item in self._table.items(
                "pk = :pk AND begins_with(sk, :features)",
                {
                    ":pk": keys.partition_key(lease.row.image.id),
                    ":features": keys.FEATURE_PREFIX,
                },
            )
            if (state := states.get(feature_of(item)))
            and state.status is Status.PENDING
            and item.get("requested_at") == timestamp(state.requested_at)
        ]
        outcomes = tuple(
            FeatureOutcome(feature_of(item), item.get("model_version")) for item in items
        )
        return Kept(outcomes, findings_of(items))

    def discard(self, lease: Lease, features: Iterable[Feature]) -> None:
        """Delete what `keep` wrote for a lease that was lost, unless another holder replaced it."""
        for feature in features:
            self._table.delete(
                keys.partition_key(lease.row.image.id),
                keys.feature_sort_key(feature),
                "lease = :token",
                {":token": lease.token},
            )

    def record(
        self,
        lease: Lease,
        outcomes: Sequence[FeatureOutcome],
        findings: Findings,
        now: datetime,
    ) -> Row | None:
        """Write outcomes to the image's row and end the lease; a result begins its delivery.

        `findings` are those that were kept. Returns the row after the write, or None if the lease
        is lost: the image was removed meanwhile, or the lease expired and another invocation took
        over. Then nothing is written.
        """
        row: Row | None = lease.row
        while row is not None and row.leased_until == lease.token:
            after = _after(row, outcomes, findings, now)
            if self._write(row, after, now):
                return after
            row = self._catalog.row(row.image.id)
        if row is not None and _has_outcomes(row.image, outcomes, now):
            return row  # this write, whose response was lost
        return None

    def _write(self, before: Row, after: Row, now: datetime) -> bool:
        if not after.image.pending:
            # Before the row, so that a result always has its delivery, and the delivery is found
            # if its message is never sent. Until the row has the result, nobody shows or sends it.
            delivery = new_delivery(after.image.result_delivery, now)
            self._deliveries.begin(after.image.id, delivery)
        return self._table.put(row_values(after), UNCHANGED, {":revision": before.revision})


def _has_outcomes(image: Image, outcomes: Sequence[FeatureOutcome], now: datetime) -> bool:
    completed = {state.name for state in image.features if state.recognized_at == now}
    return completed.issuperset(outcome.feature for outcome in outcomes)


def _after(row: Row, outcomes: Sequence[FeatureOutcome], findings: Findings, now: datetime) -> Row:
    is_labeled = any(each.feature is Feature.LABELS and each.failure is None for each in outcomes)
    labels = tuple(LabelSummary(label.name, label.confidence) for label in findings.labels)
    return Row(
        with_outcomes(row.image, outcomes, now),
        labels if is_labeled else row.labels,
        row.revision + 1,
        leased_until=None,
    )
