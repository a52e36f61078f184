"""The keys of the catalog's table and of its indexes.

Each image has one partition, `pk` = `IMAGE#<id>`: the item `IMAGE` holds the image as a whole, an
item `FEATURE#<feature>` what Rekognition found for that feature, and an item `LABEL#<key>` makes
the image found under that name. The id spreads an index's partitions over INDEX_SHARDS, so that
images of one moment, or with one label, are not written to one partition. Within a shard the keys
sort as texts, and every key ends with the image's id, which makes it unique: a page begins after
the last key of the page before, whatever has arrived since.

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
    """The partition of all the items of an image."""
    return f"IMAGE#{image_id}"


def image_id_of_partition(partition: str) -> str:
    """The image whose items are in a partition."""
    return partition.removeprefix("IMAGE#")


def shard_of(image_id: str) -> str:
    """One of INDEX_SHARDS."""
    return INDEX_SHARDS[int(image_id[0], 16) % len(INDEX_SHARDS)]


def status_shard(status: str, shard: str) -> str:
    """The partition of by_status with the images of a status and a shard."""
    return f"{status}#{shard}"


def label_shard(label_key: str, shard: str) -> str:
    """The partition of by_label_best and by_label_time with the images of a label and a shard."""
    return f"{label_key}#{shard}"


def label_key(name: str) -> str:
    """Labels are found whatever the case."""
    return " ".join(name.casefold().split())


def label_sort_key(name: str) -> str:
    """The sort key of the item by which an image is found under a name."""
    return LABEL_PREFIX + label_key(name)


def feature_sort_key(feature: str) -> str:
    """The sort key of the item with what Rekognition told of a feature."""
    return FEATURE_PREFIX + feature


def time_key(created_at: datetime, image_id: str) -> str:
    """Sorts by time."""
    return f"{timestamp(created_at)}#{image_id}"


def best_key(confidence: float, image_id: str) -> str:
    """Sorts by confidence, to a millionth of a percent."""
    return f"{confidence_key(confidence)}#{image_id}"


def confidence_key(confidence: float) -> str:
    """What the best_key of a confidence from 0 to 100 begins with."""
    return f"{confidence:010.6f}"
