"""Pages of images: the newest first or, for a label, the most confident first.

The cost of a page depends on its length, not on the size of the catalog: it reads the shards of an
index in order from the position of the cursor, merges them, and fetches the images that they name
in one batch.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from chalicelib.aws.dynamodb_table import Table, from_item, to_item
from chalicelib.catalog import keys
from chalicelib.catalog.cursors import read_cursor, write_cursor
from chalicelib.catalog.items import is_tombstone, summary_of
from chalicelib.catalog.query import BEST, MAX_LIMIT, PageRequest
from chalicelib.model.image import ImageSummary, Status
from chalicelib.model.serialization import timestamp

# A search for several labels filters the images that have the first label. One page examines at
# most this many index entries, so a page may be shorter than its limit and yet not be the last.
_MAX_EXAMINED = 5 * MAX_LIMIT

_FIRST, _LAST = " ", "~"  # sort before and after every key


@dataclass(frozen=True)
class Page:
    """One page of images in order; `cursor` is None on the last page."""

    images: tuple[ImageSummary, ...]
    cursor: str | None


@dataclass(frozen=True)
class _Range:
    """The same range of sort keys in some partitions of an index, both ends excluded.

    `index` is None for the table itself.
    """

    index: str | None
    partition_name: str
    partitions: tuple[str, ...]
    sort_name: str
    above: str
    below: str


class CatalogPages:
    """Reads lists of images from the catalog's table and its indexes.

    Indexes are eventually consistent, so a page may lack the most recent changes.
    """

    def __init__(self, client: Any, table_name: str) -> None:
        self._client = client
        self._table_name = table_name
        self._table = Table(client, table_name)

    def page(self, request: PageRequest) -> Page:
        """One page of the images that match a request.

        The page may have fewer images than the limit and yet not be the last. Raises InvalidRequest
        for a damaged cursor and one of another query.
        """
        fingerprint = request.fingerprint()
        key_range = _range(request, read_cursor(request.cursor, fingerprint))
        found, last_key = self._select(request, key_range)
        cursor = None if last_key is None else write_cursor(fingerprint, last_key)
        images = self._images([_image_partition(entry) for entry in found])
        # The indexes of labels have no status, and no index has both a status and a failure.
        matching = (each for each in images if _matches(request, each))
        return Page(tuple(matching), cursor)

    def statuses(self, image_ids: Iterable[str]) -> dict[str, Status]:
        """The status of each image by its id; ids that no image has are left out."""
        partitions = [keys.partition_key(image_id) for image_id in sorted(set(image_ids))]
        return {image.id: image.status for image in self._images(partitions)}

    def _select(
        self, request: PageRequest, key_range: _Range
    ) -> tuple[list[dict[str, Any]], str | None]:
        """The index entries of a page, and the key after which the next page begins, if any."""
        found: list[dict[str, Any]] = []
        step = MAX_LIMIT if _needs_search_items(request) else request.limit
        entries = self._entries(key_range, step + 1)
        examined = 0
        while some := list(islice(entries, step)):
            examined += len(some)
            matching = self._with_all_labels(request, some)
            room = request.limit - len(found)
            found += matching[:room]
            if len(matching) > room:
                return found, found[-1][key_range.sort_name]
            if len(found) == request.limit or examined >= _MAX_EXAMINED:
                is_last = next(entries, None) is None
                return found, None if is_last else some[-1][key_range.sort_name]
        return found, None

    def _entries(self, key_range: _Range, step: int) -> Iterator[dict[str, Any]]:
        """The entries of all shards in descending order; each query reads `step` of one shard."""
        shards = (
            self._entries_of_shard(key_range, partition, step) for partition in key_range.partitions
        )
        return heapq.merge(*shards, key=lambda entry: str(entry[key_range.sort_name]), reverse=True)

    def _entries_of_shard(
        self, key_range: _Range, partition: str, step: int
    ) -> Iterator[dict[str, Any]]:
        below = key_range.below
        # DynamoDB refuses a BETWEEN whose ends are the wrong way round, as of a forged cursor.
        while below > key_range.above:
            response = self._client.query(
                TableName=self._table_name,
                KeyConditionExpression=(
                    f"{key_range.partition_name} = :partition "
                    f"AND {key_range.sort_name} BETWEEN :above AND :below"
                ),
                ExpressionAttributeValues=to_item(
                    {":partition": partition, ":above": key_range.above, ":below": below}
                ),
                Limit=step,
                ScanIndexForward=False,
                **({"IndexName": key_range.index} if key_range.index else {}),
            )
            entries = [from_item(item) for item in response["Items"]]
            # BETWEEN includes both ends, and the entry at `below` was on the previous page.
            yield from (entry for entry in entries if entry[key_range.sort_name] < below)
            if "LastEvaluatedKey" not in response:
                return
            below = entries[-1][key_range.sort_name]

    def _with_all_labels(
        self, request: PageRequest, entries: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        if not _needs_search_items(request):
            return entries
        item_keys = ((_image_partition(entry), keys.SEARCH_SORT_KEY) for entry in entries)
        matching = {
            item["pk"]
            for item in self._table.get_batch(item_keys, is_consistent=False)
            if all(
                label in item["terms"] and float(item["terms"][label]) >= request.min_confidence
                for label in request.labels
            )
        }
        return [entry for entry in entries if _image_partition(entry) in matching]

    def _images(self, partitions: Sequence[str]) -> tuple[ImageSummary, ...]:
        """The images in the order of `partitions`; removed images are left out."""
        item_keys = ((partition, keys.IMAGE_SORT_KEY) for partition in partitions)
        images = {
            item["pk"]: summary_of(item)
            for item in self._table.get_batch(item_keys, is_consistent=False)
            if not is_tombstone(item)
        }
        return tuple(images[partition] for partition in partitions if partition in images)


def _range(request: PageRequest, before: str | None) -> _Range:
    if request.order == BEST:
        above = keys.confidence_key(request.min_confidence)
        partitions = _term_partitions(request.labels[0])
        return _Range(None, "pk", partitions, "sk", above, before or _LAST)
    # Keys have "#" and the image's id after the time. " " sorts before "#", "~" after everything.
    after = timestamp(request.created_after) + _LAST if request.created_after else _FIRST
    below = timestamp(request.created_before) if request.created_before else _LAST
    index, partition_name, sort_name = "by_time", "time_shard", "time_key"
    partitions = keys.INDEX_SHARDS
    if request.labels:
        index, partition_name, sort_name = "by_label_time", "pk", "label_time"
        partitions = _term_partitions(request.labels[0])
    elif request.failure:
        index, partition_name = "by_failure", "failure_shard"
        partitions = tuple(keys.failure_shard(request.failure, each) for each in keys.INDEX_SHARDS)
    elif request.status is Status.PENDING:
        index, partition_name, sort_name = "by_waiting", "waiting_shard", "waiting_since"
        partitions = tuple(
            keys.waiting_shard(keys.IMAGE_SORT_KEY, each) for each in keys.INDEX_SHARDS
        )
    elif request.status:
        index, partition_name = "by_status", "status_shard"
        partitions = tuple(keys.status_shard(request.status, each) for each in keys.INDEX_SHARDS)
    return _Range(index, partition_name, partitions, sort_name, after, min(below, before or _LAST))


def _term_partitions(label: str) -> tuple[str, ...]:
    return tuple(keys.term_partition(label, shard) for shard in keys.INDEX_SHARDS)


def _image_partition(entry: dict[str, Any]) -> str:
    """The partition of the image that an entry of an index or of a term names."""
    partition = str(entry["pk"])
    if not partition.startswith(keys.LABEL_PREFIX):
        return partition
    return keys.partition_key(keys.image_id_of_index_key(entry["sk"]))


def _matches(request: PageRequest, image: ImageSummary) -> bool:
    code = image.failure.code if image.failure else None
    # The index by_waiting is sorted by the time since which an image waits.
    after, before = request.created_after, request.created_before
    return (
        request.status in (None, image.status)
        and request.failure in (None, code)
        and (after is None or image.created_at > after)
        and (before is None or image.created_at < before)
    )


def _needs_search_items(request: PageRequest) -> bool:
    """Whether an index entry alone does not show that an image matches the labels."""
    is_by_time = request.order != BEST
    return len(request.labels) > 1 or bool(request.labels and is_by_time and request.min_confidence)
