"""The catalog of images in DynamoDB: one image found, written and forgotten.

The image's item is the truth; the items of its features and labels are written and deleted with it
in one transaction. `revision` counts the writes of an image's item: a change that was decided on
what was read is written on the condition that nothing was written since, or else decided anew.
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

_DECISIONS = 8

UNCHANGED = "revision = :revision"
NEW = "attribute_not_exists(pk)"


class RowKeepsChanging(Exception):
    """An image was written by others each time between its reading and its writing."""


@dataclass(frozen=True)
class Registration:
    """A registered image, whether it is new to the catalog, and the features that were added."""

    image: Image
    is_new: bool
    added: tuple[Feature, ...]


@dataclass(frozen=True)
class Snapshot:
    """All the items of an image at one moment.

    Their sort keys, its revision then (0: no item), and the labels that it is counted under.
    """

    image_id: str
    sort_keys: tuple[str, ...] = ()
    revision: int = 0
    labels: tuple[str, ...] = ()


class Catalog:
    """What is known of each image."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, image_id: str) -> Image:
        """Everything known of an image, as of this moment; raises ImageNotFound."""
        image = self.find(image_id) if is_image_id(image_id) else None
        if image is None:
            raise ImageNotFound.of(image_id)
        return image

    def find(self, image_id: str) -> Image | None:
        """Everything known of an image, as of this moment."""
        found = list(
            self._table.items(
                "pk = :pk AND sk BETWEEN :first AND :last",
                {
                    ":pk": keys.partition_key(image_id),
                    ":first": keys.FEATURE_PREFIX,
                    ":last": keys.IMAGE_SORT_KEY,
                },
            )
        )
        if not found or found[-1]["sk"] != keys.IMAGE_SORT_KEY:
            return None
        *features, last = found
        return replace(row_of(last).image, findings=findings_of(features))

    def row(self, image_id: str) -> Row | None:
        """An image without its findings, as of this moment."""
        values = self._table.get(keys.partition_key(image_id), keys.IMAGE_SORT_KEY)
        return None if values is None else row_of(values)

    def register(self, arrival: Image) -> Registration:
        """Note that an image is stored, whence it came and what is asked; what is known stays."""
        if self._create(arrival):
            return Registration(arrival, is_new=True, added=arrival.pending)
        before: list[Image] = []

        def arrive(known: Image) -> Image:
            before.append(known)
            return with_arrival(known, arrival)

        image = self.revise(arrival.id, arrive)
        if image is None:  # removed at this moment
            return self.register(arrival)
        waited = set(before[-1].pending)
        added = tuple(feature for feature in image.pending if feature not in waited)
        return Registration(image, is_new=False, added=added)

    def revise(self, image_id: str, change: Callable[[Image], Image]) -> Image | None:
        """Write what a change makes of an image; the image after it, None where there is none.

        The change may be asked several times, each time about the image as it is then.
        """
        for _ in range(_DECISIONS):
            row = self.row(image_id)
            if row is None:
                return None
            image = change(row.image)
            if image == row.image:
                return image
            after = replace(row, image=image, revision=row.revision + 1)
            if self._table.put(row_values(after), UNCHANGED, {":revision": row.revision}):
                return image
        raise RowKeepsChanging(f"Image {image_id} was changed {_DECISIONS} times by others.")

    def snapshot(self, image_id: str) -> Snapshot:
        """Which items an image has at this moment."""
        found = list(
            self._table.items(
                "pk = :pk", {":pk": keys.partition_key(image_id)}, "sk, revision, name"
            )
        )
        return Snapshot(
            image_id,
            sort_keys=tuple(item["sk"] for item in found),
            revision=max((int(item.get("revision", 0)) for item in found), default=0),
            labels=tuple(item["name"] for item in found if "name" in item),
        )

    def forget(self, snapshot: Snapshot) -> bool:
        """Delete an image's items; False, and nothing deleted, where it changed since."""
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
