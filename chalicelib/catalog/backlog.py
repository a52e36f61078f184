"""What waits in the catalog, oldest first, and all images in order of time: for reconciliation."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib.aws.dynamodb_table import Table
from chalicelib.catalog import keys
from chalicelib.model.serialization import timestamp

_FIRST = " "  # sorts before every key


@dataclass(frozen=True)
class WaitingItem:
    """An item in the index by_waiting: an image, a removed image, or a delivery.

    `since` is its key in the index: the time since which it waits, and the image's id.
    """

    image_id: str
    sort_key: str
    since: str

    @property
    def delivery_number(self) -> int:
        """The number of the delivery that waits."""
        return int(self.sort_key.removeprefix(keys.DELIVERY_PREFIX))


class Backlog:
    """Reads the indexes by_waiting and by_time, which are eventually consistent."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def waiting_images(self, before: datetime, limit: int) -> list[WaitingItem]:
        """Images, and tombstones, that have waited since before a time.

        At most `limit` per shard, the oldest of each first.
        """
        return self._waiting(keys.IMAGE_SORT_KEY, before, limit)

    def waiting_deliveries(self, before: datetime, limit: int) -> list[WaitingItem]:
        """Deliveries that have waited since before a time, as `waiting_images` lists images."""
        return self._waiting(keys.DELIVERY_PREFIX, before, limit)

    def _waiting(self, sort_key: str, before: datetime, limit: int) -> list[WaitingItem]:
        return [
            WaitingItem(keys.image_id_of_partition(item["pk"]), item["sk"], item["waiting_since"])
            for shard in keys.INDEX_SHARDS
            for item in self._table.some_items(
                "waiting_shard = :shard AND waiting_since < :before",
                {
                    ":shard": keys.waiting_shard(sort_key, shard),
                    ":before": timestamp(before),
                },
                limit,
                index="by_waiting",
            )
        ]

    def postpone(self, item: WaitingItem, until: datetime) -> bool:
        """Let an item wait since a later time, as if it had just begun; False if it has changed.

        So the others get their turn, and this one again if acting on it was in vain.
        """
        is_postponed, _ = self._table.update(
            keys.partition_key(item.image_id),
            item.sort_key,
            "SET waiting_since = :until",
            {":until": keys.time_key(until, item.image_id), ":since": item.since},
            "waiting_since = :since",
        )
        return is_postponed

    def images_in_order_of_time(self, shard: str, after: str, limit: int) -> tuple[list[str], str]:
        """The ids of at most `limit` images of a shard after a key of time, oldest first.

        Returns the key after which the next images begin, empty after the last.
        """
        items: list[dict[str, Any]] = self._table.some_items(
            "time_shard = :shard AND time_key > :after",
            {":shard": shard, ":after": after or _FIRST},
            limit,
            index="by_time",
        )
        ids = [keys.image_id_of_partition(item["pk"]) for item in items]
        return ids, str(items[-1]["time_key"]) if len(items) == limit else ""
