"""The keys of the catalog's table and its indexes.

Each image has one partition, `pk` = `IMAGE#<id>`: the item `IMAGE` holds the image as a whole, an
item `FEATURE#<feature>` holds the findings of that feature, and an item `LABEL#<key>` makes the
image searchable by that label. The image's id selects one of INDEX_SHARDS, so that images of the
same moment or with the same label are not all written to one partition of an index. Within a shard
the keys sort as texts. Every key ends with the image's id, which makes it unique: a page begins
after the last key of the previous page, even if images arrived in between.

| index | partition | sorted by |
| --- | --- | --- |
| by_time | time_shard, such as `2` | time_key |
| by_status | status_shard, such as `FAILED#2` | time_key |
| by_label_best | label_shard, such as `cat#2` | best_key |
| by_label_time | label_shard | time_key |
| by_waiting | waiting_shard, such as `2`, while a feature is PENDING | waiting_since |
"""

from datetime import datetime

from chalicelib.model.serialization import timestamp

IMAGE_SORT_KEY = "IMAGE"
FEATURE_PREFIX = "FEATURE#"
LABEL_PREFIX = "LABEL#"
INDEX_SHARDS = ("0", "1", "2", "3")


def partition_key(image_id: str) -> str:
    """The partition key of all items of an image."""
    return f"IMAGE#{image_id}"


def image_id_of_partition(partition: str) -> str:
    """The id of the image whose items have this partition key."""
    return partition.removeprefix("IMAGE#")


def shard_of(image_id: str) -> str:
    """The one of INDEX_SHARDS that an image is in, from the first digit of its id."""
    return INDEX_SHARDS[int(image_id[0], 16) % len(INDEX_SHARDS)]


def status_shard(status: str, shard: str) -> str:
    """The partition of the index by_status that holds the images of a status in a shard."""
    return f"{status}#{shard}"


def label_shard(label_key: str, shard: str) -> str:
    """The partition of by_label_best and by_label_time that holds a label's images in a shard."""
    return f"{label_key}#{shard}"


def label_key(name: str) -> str:
    """A label's name as a key: case-folded, with single spaces, so that search ignores both."""
    return " ".join(name.casefold().split())


def label_sort_key(name: str) -> str:
    """The sort key of the item that makes an image searchable by a label's name."""
    return LABEL_PREFIX + label_key(name)


def feature_sort_key(feature: str) -> str:
    """The sort key of the item that holds a feature's findings."""
    return FEATURE_PREFIX + feature


def time_key(created_at: datetime, image_id: str) -> str:
    """A key that sorts by time, then by image id."""
    return f"{timestamp(created_at)}#{image_id}"


def best_key(confidence: float, image_id: str) -> str:
    """A key that sorts by confidence, to a millionth of a percent, then by image id."""
    return f"{confidence_key(confidence)}#{image_id}"


def confidence_key(confidence: float) -> str:
    """The start of a best_key: a confidence from 0 to 100 with 6 decimals and leading zeros."""
    return f"{confidence:010.6f}"
