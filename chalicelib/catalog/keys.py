"""The keys of the catalog's table and its indexes.

Each image has one partition, `pk` = `IMAGE#<id>`. What recognition and callers write there is
authoritative: the item `IMAGE` holds the image as a whole, an item `FEATURE#<feature>` the findings
of that feature, an item `DELIVERY#<number>` a delivery. What follows from it is written by
`search_index`, from the table's stream: the item `SEARCH` says how the image is indexed and
counted, and an item in the partition of a term (`LABEL#<term>#<shard>`) finds the image by a label,
parent or alias.

The image's id selects one of INDEX_SHARDS, so that images of the same moment or with the same label
are not all written to one partition. Within a shard the keys sort as texts. Every key ends with the
image's id, which makes it unique: a page begins after the last key of the previous page, even if
images arrived in between.

| index | partition | sorted by |
| --- | --- | --- |
| the table itself | pk, such as `LABEL#cat#2` | sk, the best_key |
| by_label_time | pk, such as `LABEL#cat#2` | label_time, the time_key |
| by_time | time_shard, such as `2` | time_key |
| by_status | status_shard, such as `FAILED#2`, unless the image is PENDING | time_key |
| by_failure | failure_shard, such as `InvalidImageFormatException#2`, of FAILED images | time_key |
| by_waiting | waiting_shard, such as `IMAGE#2` or `DELIVERY#2`, while one waits | waiting_since |
"""

from datetime import datetime

from chalicelib.model.serialization import timestamp

IMAGE_SORT_KEY = "IMAGE"
SEARCH_SORT_KEY = "SEARCH"
FEATURE_PREFIX = "FEATURE#"
DELIVERY_PREFIX = "DELIVERY#"
LABEL_PREFIX = "LABEL#"
INDEX_SHARDS = ("0", "1", "2", "3")

_IMAGE_PREFIX = "IMAGE#"


def partition_key(image_id: str) -> str:
    """The partition key of all items of an image."""
    return f"{_IMAGE_PREFIX}{image_id}"


def image_id_of_partition(partition: str) -> str:
    """The id of the image whose items have this partition key."""
    return partition.removeprefix(_IMAGE_PREFIX)


def shard_of(image_id: str) -> str:
    """The one of INDEX_SHARDS that an image is in, from the first digit of its id."""
    return INDEX_SHARDS[int(image_id[0], 16) % len(INDEX_SHARDS)]


def status_shard(status: str, shard: str) -> str:
    """The partition of the index by_status that holds the images of a status in a shard."""
    return f"{status}#{shard}"


def failure_shard(code: str, shard: str) -> str:
    """The partition of the index by_failure that holds the images of a failure code in a shard."""
    return f"{code}#{shard}"


def waiting_shard(sort_key: str, shard: str) -> str:
    """The partition of the index by_waiting that holds the items of a kind, by a sort key."""
    kind = sort_key.partition("#")[0]
    return f"{kind}#{shard}"


def term_partition(term: str, shard: str) -> str:
    """The partition that holds the images of a term in a shard; `label_key` makes the term."""
    return f"{LABEL_PREFIX}{term}#{shard}"


def label_key(name: str) -> str:
    """A label's name as a key: case-folded, with single spaces, so that search ignores both."""
    return " ".join(name.casefold().split())


def feature_sort_key(feature: str) -> str:
    """The sort key of the item that holds a feature's findings."""
    return FEATURE_PREFIX + feature


def delivery_sort_key(number: int) -> str:
    """The sort key of a delivery; up to 999,999 deliveries sort by their numbers."""
    return f"{DELIVERY_PREFIX}{number:06}"


def time_key(created_at: datetime, image_id: str) -> str:
    """A key that sorts by time, then by image id."""
    return f"{timestamp(created_at)}#{image_id}"


def best_key(confidence: float, image_id: str) -> str:
    """A key that sorts by confidence, to a millionth of a percent, then by image id."""
    return f"{confidence_key(confidence)}#{image_id}"


def image_id_of_index_key(key: str) -> str:
    """The id of the image at the end of a time_key or best_key."""
    return key.rpartition("#")[2]


def confidence_key(confidence: float) -> str:
    """The start of a best_key: a confidence from 0 to 100 with 6 decimals and leading zeros."""
    return f"{confidence:010.6f}"
