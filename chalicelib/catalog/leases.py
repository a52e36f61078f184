"""Leases on images: an invocation holds one while it recognizes an image and writes the findings.

A lease expires after a while. Until then no other invocation sends the image to Rekognition. After
that another one takes over from an invocation that was cut off.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chalicelib.aws.dynamodb_table import Table, Values
from chalicelib.catalog import keys
from chalicelib.catalog.images import NEW, UNCHANGED, Catalog
from chalicelib.catalog.items import Row, feature_values, label_values, row_of, row_values
from chalicelib.catalog.labels import count_label
from chalicelib.catalog.usage import count_call
from chalicelib.model.changes import FeatureOutcome, with_features_requested, with_outcomes
from chalicelib.model.findings import Feature, Findings, RekognitionCall
from chalicelib.model.image import Image, LabelSummary, Status
from chalicelib.model.serialization import timestamp

_MAX_ACTIONS = 100  # DynamoDB's limit per transaction


@dataclass(frozen=True)
class Lease:
    """An image's row, and the token that allows the holder to write findings.

    `token` is None if the lease was not granted: no feature is pending, or another invocation holds
    the lease.
    """

    row: Row
    token: str | None


class Leases:
    """Grants leases, and writes the outcomes of their holders to the catalog.

    `initial_features` returns the features to recognize in an image, by its id, that is not
    registered in the catalog yet.
    """

    def __init__(
        self,
        table: Table,
        catalog: Catalog,
        initial_features: Callable[[str], Sequence[Feature]],
    ) -> None:
        self._table = table
        self._catalog = catalog
        self._initial_features = initial_features

    def acquire(self, image_id: str, now: datetime, duration: timedelta) -> Lease:
        """Acquire the lease on an image with pending features, unless another invocation holds it.

        Creates the row of an image that is not registered yet, because S3's notification arrived
        first or because the image was copied straight into the bucket.
        """
        token = timestamp(now + duration)
        is_granted, values = self._table.update(
            keys.partition_key(image_id),
            keys.IMAGE_SORT_KEY,
            "SET leased_until = :token ADD revision :one",
            {":token": token, ":one": 1, ":now": timestamp(now)},
            "attribute_exists(waiting_shard) AND "
            "(attribute_not_exists(leased_until) OR leased_until < :now)",
        )
        if values is not None:
            row = row_of(values)
            if is_granted:
                return Lease(replace(row, leased_until=token), token)
            return Lease(row, None)
        features = self._initial_features(image_id)
        image = with_features_requested(Image(image_id, Status.PENDING, now), features, now)
        row = Row(image, revision=1, leased_until=token)
        if self._table.put(row_values(row), NEW):
            return Lease(row, token)
        return self.acquire(image_id, now, duration)  # registered since the update

    def release(self, lease: Lease) -> None:
        """Release a lease, so that the next attempt need not wait until it expires.

        Does nothing if the lease has expired and another invocation holds one.
        """
        self._table.update(
            keys.partition_key(lease.row.image.id),
            keys.IMAGE_SORT_KEY,
            "REMOVE leased_until ADD revision :one",
            {":token": lease.token, ":one": 1},
            "leased_until = :token",
        )

    def record(
        self,
        lease: Lease,
        outcomes: Sequence[FeatureOutcome],
        findings: Findings,
        calls: Sequence[RekognitionCall],
        now: datetime,
    ) -> Row | None:
        """Write outcomes and findings in one transaction, count the calls, and end the lease.

        `calls` are the successful calls of Rekognition. Returns the image's row after the write, or
        None if the lease is lost: the image was removed meanwhile, or the lease expired and another
        invocation took over. Then nothing is written.
        """
        row: Row | None = lease.row
        while row is not None and row.leased_until == lease.token:
            if row.labels and _include_labels(outcomes):
                row = self._without_labels(row)
                continue
            after = _after(row, outcomes, findings, now)
            unchanged = (UNCHANGED, {":revision": row.revision})
            put = self._table.put_in_transaction(row_values(after), *unchanged)
            actions = [put, *self._findings(after.image, outcomes, findings)]
            actions += [count_call(self._table, call, row.image.id, now) for call in calls]
            if self._table.transact(actions):
                return after
            row = self._catalog.row(row.image.id)
        return None

    def _without_labels(self, row: Row) -> Row | None:
        """Delete the labels that an older model found.

        Returns the row afterwards, or None if the image is gone. This is a transaction of its own,
        because deleting the old labels and writing the new ones may take more actions than the
        limit.
        """
        snapshot = self._catalog.snapshot(row.image.id)
        after = replace(row, labels=(), revision=row.revision + 1)
        actions = [
            self._table.put_in_transaction(
                row_values(after), UNCHANGED, {":revision": row.revision}
            ),
            *(
                self._table.delete_in_transaction(keys.partition_key(row.image.id), sort_key)
                for sort_key in snapshot.sort_keys
                if sort_key.startswith(keys.LABEL_PREFIX)
            ),
            *(count_label(self._table, name, row.image.id, -1) for name in snapshot.labels),
        ]
        return after if self._table.transact(actions) else self._catalog.row(row.image.id)

    def _findings(
        self, image: Image, outcomes: Iterable[FeatureOutcome], findings: Findings
    ) -> Iterable[Values]:
        for feature in _recognized(outcomes):
            yield self._table.put_in_transaction(feature_values(image.id, feature, findings))
        if _include_labels(outcomes):
            names = [label.name for label in findings.labels]
            for name in names:
                yield count_label(self._table, name, image.id, 1)
            # Other actions: one for the image's item, two per feature (its findings and the count
            # of its call), and one per label for its count.
            limit = _MAX_ACTIONS - 1 - 2 * len(Feature) - len(names)
            for values in label_values(image, findings.labels, limit):
                yield self._table.put_in_transaction(values)


def _recognized(outcomes: Iterable[FeatureOutcome]) -> list[Feature]:
    return [outcome.feature for outcome in outcomes if outcome.failure is None]


def _include_labels(outcomes: Iterable[FeatureOutcome]) -> bool:
    return Feature.LABELS in _recognized(outcomes)


def _after(row: Row, outcomes: Iterable[FeatureOutcome], findings: Findings, now: datetime) -> Row:
    labels = [LabelSummary(label.name, label.confidence) for label in findings.labels]
    return Row(
        with_outcomes(row.image, outcomes, now),
        tuple(labels) or row.labels,
        row.revision + 1,
        leased_until=None,
    )
