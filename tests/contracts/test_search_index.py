"""What search, counts and usage rely on: they follow the findings, exactly, whatever happens."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.aws.dynamodb_table import Table, from_item
from chalicelib.catalog.deliveries import Deliveries
from chalicelib.catalog.findings_changes import changes_of, term_key, terms_of
from chalicelib.catalog.images import Catalog
from chalicelib.catalog.labels import LabelCounts
from chalicelib.catalog.leases import Leases
from chalicelib.catalog.model_versions import ModelVersions
from chalicelib.catalog.search_index import SearchIndex
from chalicelib.catalog.usage import Usage
from chalicelib.model.changes import FeatureOutcome, with_features_requested
from chalicelib.model.findings import Feature, Findings, Label, RekognitionCall
from chalicelib.model.image import Image, Status
from tests.helpers.images import CAT, CUP, IMAGE_ID
from tests.helpers.memory import MemoryAws
from tests.helpers.table_stream import TableStream

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LEASE = timedelta(seconds=75)
DOG = Label("Dog", 88.5, parents=("Animal",))
OTHER_ID = "f" * 32
BOTH = RekognitionCall("DetectLabels", (Feature.LABELS, Feature.PROPERTIES))


class Cut(Exception):
    """Raised in place of a call, or in place of its response."""


@dataclass
class Index:
    """A catalog, its stream, and what follows from it."""

    client: Any
    table: Table
    catalog: Catalog
    leases: Leases
    stream: TableStream

    @classmethod
    def over(cls, aws: MemoryAws) -> "Index":
        client = aws.client("dynamodb")
        table = Table(client, aws.table_name)
        catalog = Catalog(table)
        leases = Leases(table, catalog, Deliveries(table), lambda image_id: (Feature.LABELS,))
        return cls(client, table, catalog, leases, aws.stream())

    def recognize(
        self,
        *labels: Label,
        image_id: str = IMAGE_ID,
        now: datetime = NOW,
        version: str = "3.0",
        call: RekognitionCall | None = None,
        requested_by: str = "",
    ) -> None:
        """Register an image if need be, and recognize it."""
        call = call or RekognitionCall("DetectLabels", (Feature.LABELS,))
        arrival = with_features_requested(Image(image_id, Status.PENDING, now), call.features, now)
        self.catalog.register(arrival)
        latest = {Feature.LABELS: version}
        self.catalog.revise(
            image_id,
            lambda known: with_features_requested(known, call.features, now, latest, requested_by),
        )
        lease = self.leases.acquire(image_id, now, LEASE)
        findings = Findings(labels=labels)
        self.leases.keep(lease, call, findings, version, now)
        outcomes = [FeatureOutcome(each, version) for each in call.features]
        assert self.leases.record(lease, outcomes, findings, now)

    def remove(self, image_id: str = IMAGE_ID) -> None:
        assert self.catalog.forget(self.catalog.snapshot(image_id))

    def follow(self, event: dict[str, Any] | None = None) -> None:
        """Process the stream's new records, or an event, like the function."""
        event = event or self.stream.event()
        SearchIndex(self.table, ModelVersions(self.table)).follow(changes_of(event))
        self.stream.acknowledge(event)

    @property
    def counts(self) -> dict[str, int]:
        page = LabelCounts(self.table).page("", 100, None)
        return {each.name: each.count for each in page.labels}

    @property
    def calls(self) -> dict[str, tuple[int, dict[Feature, int]]]:
        month = Usage(self.table).of_month("2026-11")
        return {each.operation: (each.calls, dict(each.images)) for each in month.operations}

    @property
    def by_token(self) -> dict[str, dict[Feature, int]]:
        month = Usage(self.table).of_month("2026-11")
        return {name: dict(images) for name, images in month.by_token.items()}

    @property
    def terms(self) -> Counter[tuple[str, str]]:
        """The keys of all items that find an image by a term."""
        pages = self.client.get_paginator("scan").paginate(TableName=self.table.name)
        items = (from_item(item) for page in pages for item in page["Items"])
        keys = ((item["pk"], item["sk"]) for item in items)
        return Counter(key for key in keys if key[0].startswith("LABEL#"))


@pytest.fixture
def index(aws: MemoryAws) -> Index:
    return Index.over(aws)


def terms(*labels: Label, image_id: str = IMAGE_ID) -> Counter[tuple[str, str]]:
    return Counter(term_key(image_id, *each) for each in terms_of(labels).items())


def test_findings_are_searchable_and_counted_once_they_are_followed(index: Index) -> None:
    index.recognize(CAT, CUP)
    assert (index.terms, index.counts, index.calls) == (Counter(), {}, {})
    index.follow()
    assert index.terms == terms(CAT, CUP)
    assert index.counts == {"Cat": 1, "Coffee Cup": 1}
    assert index.calls == {"DetectLabels": (1, {Feature.LABELS: 1})}
    assert ModelVersions(index.table).latest() == {Feature.LABELS: "3.0"}


def test_a_batch_that_is_delivered_again_changes_nothing(index: Index) -> None:
    index.recognize(CAT)
    event = index.stream.event()
    for _ in range(3):
        index.follow(event)
    assert (index.terms, index.counts) == (terms(CAT), {"Cat": 1})
    assert index.calls == {"DetectLabels": (1, {Feature.LABELS: 1})}


def test_features_that_share_a_call_count_it_once_in_whatever_batches(index: Index) -> None:
    index.recognize(CAT, call=BOTH)
    while (event := index.stream.event(limit=1))["Records"]:
        index.follow(event)
    expected = {Feature.LABELS: 1, Feature.PROPERTIES: 1}
    assert index.calls == {"DetectLabels": (1, expected)}


def test_usage_is_counted_for_each_token_in_as_few_items_as_there_are_tokens(index: Index) -> None:
    for number in range(12):
        name = ("alice", "bob", "")[number % 3]
        index.recognize(CAT, image_id=f"{number:032x}", call=BOTH, requested_by=name)
    event = index.stream.event()
    for _ in range(3):
        index.follow(event)
    assert index.calls == {"DetectLabels": (12, {Feature.LABELS: 12, Feature.PROPERTIES: 12})}
    each = {Feature.LABELS: 4, Feature.PROPERTIES: 4}
    assert index.by_token == {"alice": each, "bob": each}
    assert len(list(index.table.items("pk = :pk", {":pk": "USAGE#2026-11"}))) == 3


def test_a_call_is_counted_for_whoever_requested_the_image_while_it_ran(index: Index) -> None:
    """S3 announces an image at once; its request is registered a moment later."""
    lease = index.leases.acquire(IMAGE_ID, NOW, LEASE)
    arrival = Image(IMAGE_ID, Status.PENDING, NOW)
    index.catalog.register(
        with_features_requested(arrival, [Feature.LABELS], NOW, requested_by="alice")
    )
    call = RekognitionCall("DetectLabels", (Feature.LABELS,))
    index.leases.keep(lease, call, Findings(labels=(CAT,)), "3.0", NOW)
    index.follow()
    assert index.by_token == {"alice": {Feature.LABELS: 1}}


def test_labels_of_a_newer_model_replace_the_older_ones(index: Index) -> None:
    index.recognize(CAT, CUP)
    index.follow()
    index.recognize(replace(CAT, confidence=70.0), DOG, now=NOW + LEASE, version="4.0")
    index.follow()
    assert index.terms == terms(replace(CAT, confidence=70.0), DOG)
    assert index.counts == {"Cat": 1, "Dog": 1}
    assert index.calls == {"DetectLabels": (2, {Feature.LABELS: 2})}


@pytest.mark.parametrize("is_followed_between", [True, False])
def test_of_a_removed_image_only_its_usage_stays(index: Index, is_followed_between: bool) -> None:
    index.recognize(CAT)
    index.recognize(CAT, image_id=OTHER_ID)
    if is_followed_between:
        index.follow()
    index.remove()
    event = index.stream.event()
    index.follow(event)
    index.follow(event)
    assert index.terms == terms(CAT, image_id=OTHER_ID)
    assert index.counts == {"Cat": 1}
    assert index.calls == {"DetectLabels": (2, {Feature.LABELS: 2})}
    left = index.table.get(f"IMAGE#{IMAGE_ID}", "SEARCH")
    assert left is not None
    assert left["terms"] == {}
    assert left["expires_at"] > NOW.timestamp()


def test_after_a_cut_off_at_any_call_the_repeated_batch_is_exact(
    index: Index, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two images, one of them recognized again and one removed before its batch is processed."""
    tried = 0
    for phase in ("before-call", "after-call"):
        for at in range(1, 100):
            before = index.counts, index.calls
            own = index.by_token.get("alice", {}).get(Feature.LABELS, 0)
            first, second = (f"{kind}{phase[0]}{at:030}" for kind in "ab")
            index.recognize(CAT, image_id=first)
            index.recognize(CUP, image_id=second)
            index.follow()
            again = NOW + LEASE
            version = f"{phase}{at}"
            index.recognize(DOG, image_id=first, now=again, version=version, requested_by="alice")
            index.remove(second)
            event = index.stream.event()
            if not _is_cut(index, event, phase, at):
                break
            tried += 1
            index.follow(event)
            where = f"{phase} {at}"
            expected = terms(DOG, image_id=first)
            found = Counter(key for key in index.terms if key[1].endswith((first, second)))
            assert found == expected, where
            assert index.counts == before[0] | {"Dog": before[0].get("Dog", 0) + 1}, where
            calls = before[1].get("DetectLabels", (0, {}))[0]
            assert index.calls["DetectLabels"][0] == calls + 3, where
            assert index.by_token == {"alice": {Feature.LABELS: own + 1}}, where
    assert tried >= 8
    with capsys.disabled():
        print(f"\ncut points of the index tried: {tried}, recovered: {tried}")  # noqa: T201


def _is_cut(index: Index, event: dict[str, Any], phase: str, at: int) -> bool:
    """Process an event, cut off at its n-th call of DynamoDB; False if it has fewer calls."""
    calls = 0

    def cut(**_: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == at:
            raise Cut

    name = f"{phase}.dynamodb"
    index.client.meta.events.register_last(name, cut)
    try:
        index.follow(event)
    except Cut:
        return True
    finally:
        index.client.meta.events.unregister(name, cut)
    return False


def before_the_next_transaction(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Let something happen once, between what a follower has read and what it writes."""
    transact = Table.transact

    def act_then_transact(table: Table, actions: list[Any]) -> bool:
        monkeypatch.setattr(Table, "transact", transact)
        act()
        return transact(table, actions)

    monkeypatch.setattr(Table, "transact", act_then_transact)


def test_two_followers_of_the_same_image_count_it_once(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.recognize(CAT)
    event = index.stream.event()
    before_the_next_transaction(monkeypatch, lambda: index.follow(event))
    index.follow(event)
    assert (index.terms, index.counts) == (terms(CAT), {"Cat": 1})
    assert index.calls == {"DetectLabels": (1, {Feature.LABELS: 1})}


def test_a_plan_that_another_follower_overtakes_leaves_no_terms_behind(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the labels are indexed, the image is removed and the removal is followed."""
    index.recognize(CAT)
    event = index.stream.event()

    def remove_and_follow() -> None:
        index.remove()
        index.follow()

    before_the_next_transaction(monkeypatch, remove_and_follow)
    index.follow(event)
    assert (index.terms, index.counts) == (Counter(), {})


def test_more_images_and_labels_than_a_transaction_takes_are_followed_in_several(
    index: Index,
) -> None:
    images = [f"{number:032x}" for number in range(60)]
    for number, image_id in enumerate(images):
        index.recognize(Label(f"Label {number}", 90.0), CAT, image_id=image_id)
    index.follow()
    assert index.counts == {f"Label {number}": 1 for number in range(60)} | {"Cat": 60}
    assert index.calls == {"DetectLabels": (60, {Feature.LABELS: 60})}


def test_records_of_other_items_are_ignored(index: Index) -> None:
    index.table.put({"pk": "BATCH#1", "sk": "BATCH", "total": 1})
    index.follow()
    assert (index.terms, index.counts, index.calls) == (Counter(), {}, {})
