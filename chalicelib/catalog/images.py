"""The catalog of images in DynamoDB: reads, writes and deletes one image.

The image's item is authoritative. Writes use optimistic locking: `revision` grows with each write
of an image's item, and a change is written only if the revision is still the one that was read.
Otherwise it is read and changed again. Nothing here writes an item that two images share: label
counts, usage and search follow from the table's stream, in `search_index`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from chalicelib.aws.dynamodb_table import Table
from chalicelib.catalog import keys
from chalicelib.catalog.items import (
    Row,
    first_revision,
    image_of,
    is_tombstone,
    row_of,
    row_values,
    tombstone_values,
)
from chalicelib.model.changes import with_arrival
from chalicelib.model.errors import ImageNotFound
from chalicelib.model.findings import Feature
from chalicelib.model.identity import is_image_id
from chalicelib.model.image import Image

_MAX_ATTEMPTS = 20

UNCHANGED = "revision = :revision"
NEW = "attribute_not_exists(pk) OR attribute_exists(removed_at)"


class RowKeepsChanging(Exception):
    """Raised when other writers changed an image between read and write on every attempt."""


@dataclass(frozen=True)
class Registration:
    """The outcome of registering an image.

    `image` has no findings. `is_new` says whether the catalog did not have it before. `added` are
    the features that became pending.
    """

    image: Image
    is_new: bool
    added: tuple[Feature, ...]


@dataclass(frozen=True)
class Snapshot:
    """The items that an image has at one moment.

    `sort_keys` are those of all its items but the index's. `revision` is that of the image's item,
    None if there is none. `is_removed` says that it is a tombstone.
    """

    image_id: str
    sort_keys: tuple[str, ...] = ()
    revision: int | None = None
    is_removed: bool = False


class Catalog:
    """Reads and writes single images. Reads are strongly consistent."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, image_id: str) -> Image:
        """An image with its findings; raises ImageNotFound, also for a malformed id."""
        image = self.find(image_id) if is_image_id(image_id) else None
        if image is None:
            raise ImageNotFound.of(image_id)
        return image

    def find(self, image_id: str) -> Image | None:
        """An image with its findings and deliveries, or None if the catalog does not have it."""
        return image_of(
            self._table.items(
                "pk = :pk AND sk BETWEEN :first AND :last",
                {
                    ":pk": keys.partition_key(image_id),
                    ":first": keys.DELIVERY_PREFIX,
                    ":last": keys.IMAGE_SORT_KEY,
                },
            )
        )

    def row(self, image_id: str) -> Row | None:
        """The row of an image, or None if the catalog does not have it."""
        values = self._table.get(keys.partition_key(image_id), keys.IMAGE_SORT_KEY)
        return None if values is None or is_tombstone(values) else row_of(values)

    def create(self, image: Image, leased_until: str | None = None) -> Row | None:
        """Write the item of an image that the catalog does not have; None if it has it."""
        row = Row(image, revision=first_revision(datetime.now(UTC)), leased_until=leased_until)
        return row if self._table.put(row_values(row), NEW) else None

    def register(self, arrival: Image, *, is_stored_anew: bool = False) -> Registration:
        """Create a stored image, or add the arrival's source and features to the known one.

        `is_stored_anew` says that S3 did not have the image before. Then a known image's item is
        written even if nothing in it changes, so that a removal that found the object missing a
        moment ago finds the item changed. Raises RowKeepsChanging.
        """
        while True:
            if self.create(arrival):
                return Registration(arrival, is_new=True, added=arrival.pending)
            before: list[Image] = []

            def add_arrival(known: Image, before: list[Image] = before) -> Image:
                before.append(known)
                return with_arrival(known, arrival)

            image = self.revise(arrival.id, add_arrival, even_if_equal=is_stored_anew)
            if image is not None:
                pending_before = set(before[-1].pending)
                added = tuple(each for each in image.pending if each not in pending_before)
                return Registration(image, is_new=False, added=added)
            # Removed after `create` found it.

    def revise(
        self, image_id: str, change: Callable[[Image], Image], *, even_if_equal: bool = False
    ) -> Image | None:
        """Apply a pure function to an image and write the outcome.

        `change` receives the image without findings and deliveries, and runs again on the new state
        each time another writer changes the image meanwhile. If the image stays equal, writes
        nothing unless `even_if_equal`. Returns the image after the change, or None if the catalog
        does not have it. Raises RowKeepsChanging after 20 attempts.
        """
        for _ in range(_MAX_ATTEMPTS):
            row = self.row(image_id)
            if row is None:
                return None
            image = change(row.image)
            if image == row.image and not even_if_equal:
                return image
            after = replace(row, image=image, revision=row.revision + 1)
            if self._table.put(row_values(after), UNCHANGED, {":revision": row.revision}):
                return image
        raise RowKeepsChanging(
            f"Other writers changed image {image_id} during each of {_MAX_ATTEMPTS} attempts."
        )

    def snapshot(self, image_id: str) -> Snapshot:
        """The items that an image currently has, as `forget` needs them."""
        items = {
            item["sk"]: item
            for item in self._table.items(
                "pk = :pk AND sk <= :last",
                {":pk": keys.partition_key(image_id), ":last": keys.IMAGE_SORT_KEY},
                "sk, revision, removed_at",
            )
        }
        image_item = items.get(keys.IMAGE_SORT_KEY)
        return Snapshot(
            image_id,
            sort_keys=tuple(items),
            revision=int(image_item["revision"]) if image_item else None,
            is_removed=image_item is not None and is_tombstone(image_item),
        )

    def forget(self, snapshot: Snapshot) -> bool:
        """Delete the items in a snapshot in one transaction, and leave a tombstone.

        Returns False and deletes nothing if the image's item changed after the snapshot. Search,
        counts and usage follow from the table's stream.
        """
        if snapshot.is_removed or not snapshot.sort_keys:
            return True
        now = datetime.now(UTC)
        revision = (snapshot.revision or first_revision(now)) + 1
        tombstone = tombstone_values(snapshot.image_id, revision, now)
        put = self._table.put_in_transaction(tombstone, *_unchanged(snapshot))
        return self._table.transact([put, *self._deletions(snapshot)])

    def bury(self, snapshot: Snapshot) -> bool:
        """Delete a tombstone and what was written beside it since; False if it changed meanwhile.

        Call it only when no invocation can hold a lease from before the removal any more.
        """
        pk = keys.partition_key(snapshot.image_id)
        tombstone = self._table.delete_in_transaction(
            pk, keys.IMAGE_SORT_KEY, *_unchanged(snapshot)
        )
        return self._table.transact([tombstone, *self._deletions(snapshot)])

    def _deletions(self, snapshot: Snapshot) -> list[dict[str, object]]:
        pk = keys.partition_key(snapshot.image_id)
        return [
            self._table.delete_in_transaction(pk, sort_key)
            for sort_key in snapshot.sort_keys
            if sort_key != keys.IMAGE_SORT_KEY
        ]


def _unchanged(snapshot: Snapshot) -> tuple[str, dict[str, object] | None]:
    if snapshot.revision is None:
        return "attribute_not_exists(pk)", None
    return UNCHANGED, {":revision": snapshot.revision}
