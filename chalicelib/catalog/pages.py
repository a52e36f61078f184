"""Pages of the catalog: newest first, or best first under a label.

A page costs what it holds, however large the catalog is: the shards of an index are read in order
from where the cursor points, merged, and the images they name are fetched in one batch.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from chalicelib.aws.dynamodb_table import from_item, to_item
from chalicelib.catalog import keys
from chalicelib.catalog.cursors import read_cursor, write_cursor
from chalicelib.catalog.items import summary_of
from chalicelib.catalog.query import BEST, MAX_LIMIT, PageRequest
from chalicelib.model.image import ImageSummary, Status
from chalicelib.model.serialization import timestamp

# Images with several labels are looked for among those with the first one. A page looks at no more
# than so many of them, and may so hold fewer than were asked for, and still not be the last.
_LOOKS_FOR_ONE_PAGE = 5 * MAX_LIMIT

_FIRST, _LAST = " ", "~"  # sort before and after every key


@dataclass(frozen=True)
class Page:
    """Some images, and the cursor of the next page (None: this is the last)."""

    images: tuple[ImageSummary, ...]
    cursor: str | None


@dataclass(frozen=True)
class _Range:
    """A part of an index, the same in each of its shards; the ends are not included."""

    index: str
    partition_name: str
    partitions: tuple[str, ...]
    sort_name: str
    above: str
    below: str


class CatalogPages:
    """Reads the table of images and labels page by page."""

    def __init__(self, client: Any, table_name: str) -> None:
        self._client = client
        self._table_name = table_name

    def page(self, request: PageRequest) -> Page:
        """One page; raises InvalidRequest for a cursor that is not one of this query's."""
        fingerprint = request.fingerprint()
        chosen = _range(request, read_cursor(request.cursor, fingerprint))
        found, last_key = self._choose(request, chosen)
        cursor = None if last_key is None else write_cursor(fingerprint, last_key)
        images = self._images([entry["pk"] for entry in found])
        # The indexes of labels do not know an image's status.
        fitting = (each for each in images if request.status in (None, each.status))
        return Page(tuple(fitting), cursor)

    def statuses(self, image_ids: Iterable[str]) -> dict[str, Status]:
        """How far each image is; those that do not exist are left out."""
        partitions = [keys.partition_key(image_id) for image_id in sorted(set(image_ids))]
        return {
            image.id: image.status
            for start in range(0, len(partitions), MAX_LIMIT)
            for image in self._images(partitions[start : start + MAX_LIMIT])
        }

    def waiting(self, since: str, limit: int) -> list[str]:
        """Images of which something is PENDING since before a timestamp."""
        chosen = _Range(
            "by_waiting", "waiting_shard", keys.INDEX_SHARDS, "waiting_since", _FIRST, since
        )
        entries = islice(self._entries(chosen, limit), limit)
        return [keys.image_id_of_partition(entry["pk"]) for entry in entries]

    def _choose(
        self, request: PageRequest, chosen: _Range
    ) -> tuple[list[dict[str, Any]], str | None]:
        """The index entries of a page, and the key of the last that was looked at, if more are."""
        found: list[dict[str, Any]] = []
        step = MAX_LIMIT if _needs_a_look(request) else request.limit
        entries = self._entries(chosen, step + 1)
        looked = 0
        while some := list(islice(entries, step)):
            looked += len(some)
            fitting = self._with_all_labels(request, some)
            room = request.limit - len(found)
            found += fitting[:room]
            if len(fitting) > room:
                return found, found[-1][chosen.sort_name]
            if len(found) == request.limit or looked >= _LOOKS_FOR_ONE_PAGE:
                is_last = next(entries, None) is None
                return found, None if is_last else some[-1][chosen.sort_name]
        return found, None

    def _entries(self, chosen: _Range, step: int) -> Iterator[dict[str, Any]]:
        """The entries of all shards in descending order, each shard read in steps."""
        return heapq.merge(
            *(self._entries_of_shard(chosen, partition, step) for partition in chosen.partitions),
            key=lambda entry: str(entry[chosen.sort_name]),
            reverse=True,
        )

    def _entries_of_shard(
        self, chosen: _Range, partition: str, step: int
    ) -> Iterator[dict[str, Any]]:
        below = chosen.below
        while True:
            answer = self._client.query(
                TableName=self._table_name,
                IndexName=chosen.index,
                KeyConditionExpression=(
                    f"{chosen.partition_name} = :partition "
                    f"AND {chosen.sort_name} BETWEEN :above AND :below"
                ),
                ExpressionAttributeValues=to_item(
                    {":partition": partition, ":above": chosen.above, ":below": below}
                ),
                Limit=step,
                ScanIndexForward=False,
            )
            entries = [from_item(item) for item in answer["Items"]]
            # BETWEEN includes its ends, and the key at the end was on the page before.
            yield from (entry for entry in entries if entry[chosen.sort_name] < below)
            if "LastEvaluatedKey" not in answer:
                return
            below = entries[-1][chosen.sort_name]

    def _with_all_labels(
        self, request: PageRequest, entries: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        if not _needs_a_look(request):
            return entries
        least = keys.confidence_key(request.min_confidence)
        for label in request.labels:
            wanted = [{"pk": entry["pk"], "sk": keys.label_sort_key(label)} for entry in entries]
            has_label = {
                item["pk"] for item in self._batch(wanted) if str(item["best_key"]) >= least
            }
            entries = [entry for entry in entries if entry["pk"] in has_label]
        return entries

    def _images(self, partitions: Sequence[str]) -> tuple[ImageSummary, ...]:
        """The images in the order of their partitions; one that was removed is left out."""
        wanted = [{"pk": partition, "sk": keys.IMAGE_SORT_KEY} for partition in partitions]
        images = {item["pk"]: summary_of(item) for item in self._batch(wanted)}
        return tuple(images[partition] for partition in partitions if partition in images)

    def _batch(self, wanted: list[dict[str, str]]) -> Iterator[dict[str, Any]]:
        pending = [to_item(key) for key in wanted]
        while pending:
            answer = self._client.batch_get_item(RequestItems={self._table_name: {"Keys": pending}})
            yield from map(from_item, answer["Responses"][self._table_name])
            pending = answer.get("UnprocessedKeys", {}).get(self._table_name, {}).get("Keys", [])


def _range(request: PageRequest, before: str | None) -> _Range:
    if request.order == BEST:
        above = keys.confidence_key(request.min_confidence)
        return _Range(
            "by_label_best",
            "label_shard",
            tuple(keys.label_shard(request.labels[0], shard) for shard in keys.INDEX_SHARDS),
            "best_key",
            above,
            before or _LAST,
        )
    # An image's id follows the time, and "#" sorts before every digit and letter.
    after = timestamp(request.created_after) + _LAST if request.created_after else _FIRST
    below = timestamp(request.created_before) if request.created_before else _LAST
    if request.labels:
        index, name = "by_label_time", "label_shard"
        partitions = tuple(
            keys.label_shard(request.labels[0], shard) for shard in keys.INDEX_SHARDS
        )
    elif request.status:
        index, name = "by_status", "status_shard"
        partitions = tuple(keys.status_shard(request.status, shard) for shard in keys.INDEX_SHARDS)
    else:
        index, name, partitions = "by_time", "time_shard", keys.INDEX_SHARDS
    return _Range(index, name, partitions, "time_key", after, min(below, before or _LAST))


def _needs_a_look(request: PageRequest) -> bool:
    """Whether the index alone does not tell that an image fits."""
    is_by_time = request.order != BEST
    return len(request.labels) > 1 or bool(request.labels and is_by_time and request.min_confidence)
