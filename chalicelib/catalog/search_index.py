"""Search, label counts and usage follow the findings of images, from the table's stream.

The stream delivers the changes of an image's findings in their order, each at least once, and a
batch again and again until it succeeds. So that everything is exact nevertheless, an image's item
`SEARCH` says how the image is indexed and counted. `SearchIndex.follow` compares it with the
findings that the image has now, and writes the difference:

1. It puts the image under the terms that it lacks.
2. In one transaction it writes the item `SEARCH`, if nobody changed it meanwhile, and changes the
   counts. A repetition finds nothing left to count.
3. It removes the image from the terms that it no longer has: those of its item `SEARCH`, and those
   of every version of its findings that the stream mentions, because an earlier attempt at step 1
   may have been cut off.
"""

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from chalicelib.aws.dynamodb_table import Table, Values
from chalicelib.catalog import keys
from chalicelib.catalog.findings_changes import (
    CountedCall,
    FindingsChange,
    labels_of,
    term_key,
    terms_of,
)
from chalicelib.catalog.labels import COUNT_SHARDS, label_count_key
from chalicelib.catalog.model_versions import ModelVersions
from chalicelib.catalog.usage import CALLS, usage_key
from chalicelib.model.findings import Feature

_MAX_ACTIONS = 100  # DynamoDB's limit per transaction
_MAX_ATTEMPTS = 10

# A stream keeps its records for 24 hours; a call that was counted longer ago cannot come again.
_REMEMBERED = timedelta(days=3)


class IndexKeepsChanging(Exception):
    """Raised when others changed an image's SEARCH item during each of 10 attempts."""


@dataclass(frozen=True)
class Entry:
    """How an image is indexed and counted.

    `terms` maps each term to the confidence with which it finds the image. `labels` are the names
    that count the image. `calls` are the calls that are counted, by their ids. `version` counts the
    writes of the item, 0 if there is none.
    """

    terms: Mapping[str, float] = field(default_factory=dict)
    labels: frozenset[str] = frozenset()
    calls: Mapping[str, str] = field(default_factory=dict)
    version: int = 0


@dataclass(frozen=True)
class Plan:
    """What to do for one image, so that `after` describes it.

    `puts` and `deletes` are items of terms. `labels` are the steps by which to change the counts of
    labels, and `calls` those to count.
    """

    image_id: str
    after: Entry
    is_changed: bool
    puts: tuple[Values, ...]
    deletes: frozenset[tuple[str, str]]
    labels: Mapping[str, int]
    calls: tuple[CountedCall, ...]

    def search_values(self) -> Values:
        """The item SEARCH of the image, in plain values."""
        entry = self.after
        values: Values = {
            "pk": keys.partition_key(self.image_id),
            "sk": keys.SEARCH_SORT_KEY,
            "terms": dict(entry.terms),
            "labels": sorted(entry.labels),
            "calls": dict(entry.calls),
            "version": entry.version,
        }
        if not entry.labels and entry.calls:
            # Nothing to search for: the item is needed only while its calls could come again.
            latest = max(map(_time, entry.calls.values()))
            values["expires_at"] = int((latest + _REMEMBERED).timestamp())
        return values


class SearchIndex:
    """Keeps the terms, counts and usage of images in step with their findings."""

    def __init__(self, table: Table, model_versions: ModelVersions) -> None:
        self._table = table
        self._model_versions = model_versions

    def follow(self, changes: Iterable[FindingsChange]) -> None:
        """Bring the index and the counts up to date for the images of some changes.

        Raises IndexKeepsChanging, and botocore's ClientError; a repetition completes the work.
        """
        pending = _by_image(changes)
        for change in pending.values():
            for call in change.calls:
                self._model_versions.record(call.feature, call.model_version)
        for _ in range(_MAX_ATTEMPTS):
            plans = self._plans(pending)
            self._table.write_batch(put for plan in plans for put in plan.puts)
            done = {plan.image_id for plan in plans if not plan.is_changed}
            for group in _groups(plan for plan in plans if plan.is_changed):
                if self._table.transact(self._actions(group)):
                    done |= {plan.image_id for plan in group}
            self._table.write_batch(
                (), (key for plan in plans if plan.image_id in done for key in plan.deletes)
            )
            # What was put for a plan that failed may have to go again.
            put_in_vain = {plan.image_id: plan for plan in plans if plan.image_id not in done}
            if not put_in_vain:
                return
            pending = {
                image_id: replace(pending[image_id], terms=pending[image_id].terms | _keys(plan))
                for image_id, plan in put_in_vain.items()
            }
        raise IndexKeepsChanging(
            f"The index of {len(pending)} images changed during each of {_MAX_ATTEMPTS} attempts."
        )

    def _plans(self, changes: Mapping[str, FindingsChange]) -> list[Plan]:
        sort_keys = (keys.feature_sort_key(Feature.LABELS), keys.SEARCH_SORT_KEY)
        items = {
            (keys.image_id_of_partition(item["pk"]), item["sk"]): item
            for item in self._table.get_batch(
                (keys.partition_key(image_id), sort_key)
                for image_id in changes
                for sort_key in sort_keys
            )
        }
        return [
            plan_for(change, *(items.get((image_id, sort_key)) for sort_key in sort_keys))
            for image_id, change in changes.items()
        ]

    def _actions(self, plans: Iterable[Plan]) -> list[Values]:
        shard = random.choice(COUNT_SHARDS)  # noqa: S311 - no secret
        entries = []
        totals: dict[tuple[str, str], Counter[str]] = {}
        names: dict[tuple[str, str], str] = {}
        for plan in plans:
            entries.append(self._put_entry(plan))
            for name, step in plan.labels.items():
                key = label_count_key(name, shard)
                names[key] = name
                totals.setdefault(key, Counter())["count"] += step
            for call in plan.calls:
                key = usage_key(call.month, call.operation, shard, call.requested_by)
                total = totals.setdefault(key, Counter())
                total[CALLS] += call.calls
                total[call.feature] += 1
        return entries + [
            self._table.add_in_transaction(
                *key, dict(numbers), **({"name": names[key]} if key in names else {})
            )
            for key, numbers in totals.items()
            if any(numbers.values())
        ]

    def _put_entry(self, plan: Plan) -> Values:
        before = plan.after.version - 1
        condition = "version = :before" if before else "attribute_not_exists(pk)"
        return self._table.put_in_transaction(
            plan.search_values(), condition, {":before": before} if before else None
        )


def _by_image(changes: Iterable[FindingsChange]) -> dict[str, FindingsChange]:
    merged: dict[str, FindingsChange] = {}
    for change in changes:
        known = merged.get(change.image_id)
        merged[change.image_id] = known.merged_with(change) if known else change
    return merged


def plan_for(
    change: FindingsChange,
    labels_item: Mapping[str, Any] | None,
    search_item: Mapping[str, Any] | None,
) -> Plan:
    """What to do for an image with these items of its labels and its index, in plain values."""
    before = _entry_of(search_item)
    labels = labels_of(labels_item)
    terms = terms_of(labels)
    names = frozenset(label.name for label in labels)
    wanted = {
        term_key(change.image_id, term, confidence): labels_item["created_at"]
        for term, confidence in terms.items()
        if labels_item
    }
    present = {
        term_key(change.image_id, term, confidence) for term, confidence in before.terms.items()
    }
    calls = tuple(call for call in change.calls if call.id not in before.calls)
    after = Entry(terms, names, _remembered(before.calls, calls), before.version + 1)
    steps = Counter(names)
    steps.subtract(before.labels)
    return Plan(
        change.image_id,
        after,
        is_changed=replace(after, version=before.version) != before,
        puts=tuple(
            {"pk": pk, "sk": sk, "label_time": keys.time_key(_time(created_at), change.image_id)}
            for (pk, sk), created_at in wanted.items()
            if (pk, sk) not in present
        ),
        deletes=frozenset((present | change.terms) - wanted.keys()),
        labels={name: step for name, step in steps.items() if step},
        calls=calls,
    )


def _groups(plans: Iterable[Plan]) -> Iterable[list[Plan]]:
    """Some plans at a time, so many that a transaction takes them."""
    group: list[Plan] = []
    counters: set[Any] = set()
    for plan in plans:
        calls = ((call.month, call.operation, call.requested_by) for call in plan.calls)
        own = {*plan.labels, *calls}
        if group and len(group) + 1 + len(counters | own) > _MAX_ACTIONS:
            yield group
            group, counters = [], set()
        group.append(plan)
        counters |= own
    if group:
        yield group


def _keys(plan: Plan) -> frozenset[tuple[str, str]]:
    return frozenset((put["pk"], put["sk"]) for put in plan.puts)


def _remembered(known: Mapping[str, str], new: Iterable[CountedCall]) -> dict[str, str]:
    calls = dict(known) | {call.id: call.called_at for call in new}
    if not calls:
        return {}
    latest = max(calls.values())
    return {
        call_id: called_at
        for call_id, called_at in calls.items()
        if _time(latest) - _time(called_at) <= _REMEMBERED
    }


def _entry_of(values: Mapping[str, Any] | None) -> Entry:
    if values is None:
        return Entry()
    return Entry(
        {term: float(confidence) for term, confidence in values["terms"].items()},
        frozenset(values["labels"]),
        values["calls"],
        int(values["version"]),
    )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
