"""The right to recognize an image, and the writing of what was recognized.

A lease lasts until its lease ends, so that two invocations never ask Rekognition about one image
at the same time, and one that was cut off is followed by another.
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

_MOST_PARTS = 100  # of one transaction of DynamoDB


@dataclass(frozen=True)
class Lease:
    """An image as it is, and the token that lets its holder write its result.

    `token` is None where no feature is pending, or somebody else holds the lease.
    """

    row: Row
    token: str | None


class Leases:
    """The recognition's side of the catalog.

    `first_features` tells what to recognize of an image, by its id, that nobody registered yet.
    """

    def __init__(
        self,
        table: Table,
        catalog: Catalog,
        first_features: Callable[[str], Sequence[Feature]],
    ) -> None:
        self._table = table
        self._catalog = catalog
        self._first_features = first_features

    def lease(self, image_id: str, now: datetime, lease: timedelta) -> Lease:
        """Take the right to recognize what is pending of an image, unless it is taken.

        An image that nobody registered (S3 was quicker, or somebody put it straight into the
        bucket) starts to exist here.
        """
        token = timestamp(now + lease)
        held, values = self._table.update(
            keys.partition_key(image_id),
            keys.IMAGE_SORT_KEY,
            "SET leased_until = :token ADD revision :one",
            {":token": token, ":one": 1, ":now": timestamp(now)},
            "attribute_exists(waiting_shard) AND "
            "(attribute_not_exists(leased_until) OR leased_until < :now)",
        )
        if values is not None:
            row = row_of(values)
            return Lease(replace(row, leased_until=token), token) if held else Lease(row, None)
        features = self._first_features(image_id)
        image = with_features_requested(Image(image_id, Status.PENDING, now), features, now)
        row = Row(image, revision=1, leased_until=token)
        if self._table.put(row_values(row), NEW):
            return Lease(row, token)
        return self.lease(image_id, now, lease)  # it was registered at this moment

    def release(self, lease: Lease) -> None:
        """Give a lease back, so that the next try need not wait for the lease to end."""
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
        asked: Sequence[RekognitionCall],
        now: datetime,
    ) -> Row | None:
        """Write what came out, all of it or nothing, and end the lease; the image's row then.

        None where the lease does not hold: the image was removed meanwhile, or the lease ended and
        another took over. The result is dropped.
        """
        row: Row | None = lease.row
        while row is not None and row.leased_until == lease.token:
            if row.labels and _include_labels(outcomes):
                row = self._without_labels(row)
                continue
            after = _after(row, outcomes, findings, now)
            unchanged = (UNCHANGED, {":revision": row.revision})
            put = self._table.put_in_transaction(row_values(after), *unchanged)
            parts = [put, *self._findings(after.image, outcomes, findings)]
            parts += [count_call(self._table, question, row.image.id, now) for question in asked]
            if self._table.transact(parts):
                return after
            row = self._catalog.row(row.image.id)
        return None

    def _without_labels(self, row: Row) -> Row | None:
        """The row without the labels that an older model found; None where the image is gone.

        Beforehand, because both sets of labels would be too many parts of one transaction.
        """
        found = self._catalog.snapshot(row.image.id)
        after = replace(row, labels=(), revision=row.revision + 1)
        parts = [
            self._table.put_in_transaction(
                row_values(after), UNCHANGED, {":revision": row.revision}
            ),
            *(
                self._table.delete_in_transaction(keys.partition_key(row.image.id), sort_key)
                for sort_key in found.sort_keys
                if sort_key.startswith(keys.LABEL_PREFIX)
            ),
            *(count_label(self._table, name, row.image.id, -1) for name in found.labels),
        ]
        return after if self._table.transact(parts) else self._catalog.row(row.image.id)

    def _findings(
        self, image: Image, outcomes: Iterable[FeatureOutcome], findings: Findings
    ) -> Iterable[Values]:
        for feature in _recognized(outcomes):
            yield self._table.put_in_transaction(feature_values(image.id, feature, findings))
        if _include_labels(outcomes):
            names = [label.name for label in findings.labels]
            for name in names:
                yield count_label(self._table, name, image.id, 1)
            # The image's item, an item and a count of calls for each feature, a count a label.
            room = _MOST_PARTS - 1 - 2 * len(Feature) - len(names)
            for values in label_values(image, findings.labels, room):
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
