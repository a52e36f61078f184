"""The catalog of images in DynamoDB: reads, writes and deletes one image.

The image's item is authoritative; the items of its features and labels are written and deleted
together with it in one transaction. Writes use optimistic locking: `revision` counts the writes of
an image's item, and a change is written only if the revision is still the one that was read.
Otherwise it is read and changed again.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from chalicelib.aws.dynamodb_table import Table
from chalicelib.catalog import keys
from chalicelib.catalog.items import Row, findings_of, row_of, row_values
from chalicelib.catalog.labels import count_label
from chalicelib.model.changes import with_arrival
from chalicelib.model.errors import ImageNotFound
from chalicelib.model.findings import Feature
from chalicelib.model.identity import is_image_id
from chalicelib.model.image import Image

_MAX_ATTEMPTS = 8

UNCHANGED = "revision = :revision"
NEW = "attribute_not_exists(pk)"


class RowKeepsChanging(Exception):
    """Raised when other writers changed an image between read and write on each of 8 attempts."""


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

    `sort_keys` are those of all its items, `revision` is that of the image's item (0 if there is
    none), and `labels` are the names of the labels under which the image is counted.
    """

    image_id: str
    sort_keys: tuple[str, ...] = ()
    revision: int = 0
    labels: tuple[str, ...] = ()


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
        """An image with its findings, or None if the catalog does not have it."""
        items = list(
            self._table.items(
                "pk = :pk AND sk BETWEEN :first AND :last",
                {
                    ":pk": keys.partition_key(image_id),
                    ":first": keys.FEATURE_PREFIX,
                    ":last": keys.IMAGE_SORT_KEY,
                },
            )
        )
        if not items or items[-1]["sk"] != keys.IMAGE_SORT_KEY:
            return None
        *feature_items, image_item = items
        return replace(row_of(image_item).image, findings=findings_of(feature_items))

    def row(self, image_id: str) -> Row | None:
        """The row of an image, without findings, or None if the catalog does not have it."""
        values = self._table.get(keys.partition_key(image_id), keys.IMAGE_SORT_KEY)
        return None if values is None else row_of(values)

    def register(self, arrival: Image) -> Registration:
        """Create a stored image, or add the arrival's source and features to the known one.

        Raises RowKeepsChanging.
        """
        if self._create(arrival):
            return Registration(arrival, is_new=True, added=arrival.pending)
        before: list[Image] = []

        def add_arrival(known: Image) -> Image:
            before.append(known)
            return with_arrival(known, arrival)

        image = self.revise(arrival.id, add_arrival)
        if image is None:  # removed after `_create` found it
            return self.register(arrival)
        pending_before = set(before[-1].pending)
        added = tuple(feature for feature in image.pending if feature not in pending_before)
        return Registration(image, is_new=False, added=added)

    def revise(self, image_id: str, change: Callable[[Image], Image]) -> Image | None:
        """Apply a pure function to an image and write the outcome.

        `change` receives the image without findings, and runs again on the new state each time
        another writer changes the image meanwhile. Writes nothing if the image stays equal. Returns
        the image after the change, or None if the catalog does not have it. Raises RowKeepsChanging
        after 8 attempts.
        """
        for _ in range(_MAX_ATTEMPTS):
            row = self.row(image_id)
            if row is None:
                return None
            image = change(row.image)
            if image == row.image:
                return image
            after = replace(row, image=image, revision=row.revision + 1)
            if self._table.put(row_values(after), UNCHANGED, {":revision": row.revision}):
                return image
        raise RowKeepsChanging(
            f"Other writers changed image {image_id} during each of {_MAX_ATTEMPTS} attempts."
        )

    def snapshot(self, image_id: str) -> Snapshot:
        """The items that an image currently has, as `forget` needs them."""
        items = list(
            self._table.items(
                "pk = :pk", {":pk": keys.partition_key(image_id)}, "sk, revision, name"
            )
        )
        return Snapshot(
            image_id,
            sort_keys=tuple(item["sk"] for item in items),
            revision=max((int(item.get("revision", 0)) for item in items), default=0),
            labels=tuple(item["name"] for item in items if "name" in item),
        )

    def forget(self, snapshot: Snapshot) -> bool:
        """Delete the items in a snapshot and reduce the counts of its labels, in one transaction.

        Returns False and deletes nothing if the image's item changed after the snapshot.
        """
        if not snapshot.sort_keys:
            return True
        pk = keys.partition_key(snapshot.image_id)
        unchanged = (UNCHANGED, {":revision": snapshot.revision})
        return self._table.transact(
            [
                *(
                    self._table.delete_in_transaction(
                        pk, sk, *(unchanged if sk == keys.IMAGE_SORT_KEY else ())
                    )
                    for sk in snapshot.sort_keys
                ),
                *(
                    count_label(self._table, name, snapshot.image_id, -1)
                    for name in snapshot.labels
                ),
            ]
        )

    def _create(self, image: Image) -> bool:
        return self._table.put(row_values(Row(image, revision=1)), NEW)
