"""Pages of the catalog on the emulator's DynamoDB equal those of a plain list in memory."""

import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.aws.dynamodb_table import Table
from chalicelib.catalog.findings_changes import FindingsChange
from chalicelib.catalog.images import Catalog
from chalicelib.catalog.keys import label_key
from chalicelib.catalog.labels import LabelCounts
from chalicelib.catalog.model_versions import ModelVersions
from chalicelib.catalog.pages import CatalogPages
from chalicelib.catalog.query import PageRequest
from chalicelib.catalog.search import ImageSearch
from chalicelib.catalog.search_index import SearchIndex
from chalicelib.model.errors import InvalidRequest, UnknownLabel
from chalicelib.model.findings import Label
from chalicelib.model.image import Image, Status
from tests.helpers.bare_emulator import bare_emulator
from tests.helpers.catalogs import EPOCH, image, write

NAMES = ("Cat", "Dog", "Coffee Cup")
PARENTS = {"Cat": ("Animal", "Pet"), "Dog": ("Animal", "Pet"), "Coffee Cup": ("Cup",)}
ALIASES = {"Cat": ("Kitty",)}


class FreshTables:
    """The emulator's DynamoDB, with a new table for each example."""

    def __init__(self, client: Any, definition: dict[str, Any]) -> None:
        self.client = client
        self._definition = definition

    def table(self) -> str:
        """Create an empty table with the catalog's keys and indexes; returns its name."""
        name = f"catalog-{uuid.uuid4().hex}"
        self.client.create_table(TableName=name, **self._definition)
        return name


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FreshTables]:
    with bare_emulator(tmp_path_factory.mktemp("emulator")) as emulator:
        client = emulator.client("dynamodb")
        catalog = client.describe_table(TableName=emulator.variables["CATALOG_TABLE_NAME"])["Table"]
        indexes = [
            {name: index[name] for name in ("IndexName", "KeySchema", "Projection")}
            for index in catalog["GlobalSecondaryIndexes"]
        ]
        yield FreshTables(
            client,
            {
                "KeySchema": catalog["KeySchema"],
                "AttributeDefinitions": catalog["AttributeDefinitions"],
                "GlobalSecondaryIndexes": indexes,
                "BillingMode": "PAY_PER_REQUEST",
            },
        )


def label(name: str, confidence: float) -> Label:
    return Label(name, confidence, PARENTS.get(name, ()), ALIASES.get(name, ()))


# Few different times and confidences, so that many images are equal in them.
LABELS = st.dictionaries(st.sampled_from(NAMES), st.sampled_from([70.0, 85.5, 99.25]), max_size=3)
IMAGES = st.lists(
    st.builds(
        lambda number, minutes, labels, status: image(
            f"{number:032x}",
            EPOCH + timedelta(minutes=minutes),
            tuple(label(*each) for each in labels.items()) if status == "RECOGNIZED" else (),
            Status(status),
        ),
        st.integers(0, 16**32 - 1),
        st.integers(0, 5),
        LABELS,
        st.sampled_from([*("RECOGNIZED",) * 4, "PENDING", "FAILED"]),
    ),
    max_size=20,
    unique_by=lambda each: each.id,
)


def found_under(one: Image) -> dict[str, float]:
    """The label keys under which an image is found, with the confidence of each."""
    found: dict[str, float] = {}
    for each in one.findings.labels:
        found[label_key(each.name)] = each.confidence
    for each in one.findings.labels:
        for name in (*each.parents, *each.aliases):
            key = label_key(name)
            if key not in {label_key(other.name) for other in one.findings.labels}:
                found[key] = max(found.get(key, 0), each.confidence)
    return found


def expected(images: Sequence[Image], request: PageRequest) -> list[str]:
    """The ids of the images that match a request, in its order."""

    def matches(one: Image) -> bool:
        found = found_under(one)
        return (
            all(found.get(each, -1) >= request.min_confidence for each in request.labels)
            and (request.status is None or one.status is request.status)
            and (request.created_after is None or one.created_at > request.created_after)
            and (request.created_before is None or one.created_at < request.created_before)
        )

    def rank(one: Image) -> tuple[Any, str]:
        if request.order == "best":
            return found_under(one)[request.labels[0]], one.id
        return one.created_at, one.id

    return [one.id for one in sorted(filter(matches, images), key=rank, reverse=True)]


def all_pages(pages: CatalogPages, request: PageRequest) -> list[str]:
    """The ids of the images on all pages of a request."""
    ids: list[str] = []
    cursor = None
    for _ in range(100):
        page = pages.page(replace(request, cursor=cursor))
        assert len(page.images) <= request.limit
        ids += [each.id for each in page.images]
        cursor = page.cursor
        if cursor is None:
            return ids
    raise AssertionError("The pages do not end.")


REQUESTS = st.one_of(
    st.builds(
        PageRequest,
        status=st.none() | st.sampled_from(Status),
        created_after=st.none() | st.just(EPOCH + timedelta(minutes=1)),
        created_before=st.none() | st.just(EPOCH + timedelta(minutes=4)),
        limit=st.integers(1, 7),
    ),
    st.builds(
        PageRequest,
        labels=st.lists(
            st.sampled_from(["cat", "animal", "kitty", "coffee cup", "cup", "unicorn"]),
            min_size=1,
            max_size=3,
            unique=True,
        ).map(tuple),
        min_confidence=st.sampled_from([0.0, 80.0, 85.5]),
        status=st.none() | st.sampled_from(Status),
        order=st.sampled_from(["best", "newest"]),
        limit=st.integers(1, 7),
    ),
    st.builds(
        PageRequest,
        labels=st.sampled_from([("cat",), ("animal", "cup")]),
        created_after=st.just(EPOCH + timedelta(minutes=1)),
        created_before=st.none() | st.just(EPOCH + timedelta(minutes=4)),
        limit=st.integers(1, 7),
    ),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(IMAGES, st.lists(REQUESTS, min_size=1, max_size=4))
def test_all_pages_together_are_the_matching_images_in_order(
    fresh: FreshTables, images: list[Image], requests: list[PageRequest]
) -> None:
    table = fresh.table()
    write(fresh.client, table, images)
    for request in requests:
        found = all_pages(CatalogPages(fresh.client, table), request)
        assert found == expected(images, request)


def test_an_image_that_arrives_between_two_pages_does_not_shift_the_next(
    fresh: FreshTables,
) -> None:
    table = fresh.table()
    old = [image(f"{number:032x}", EPOCH + timedelta(minutes=number)) for number in range(9)]
    write(fresh.client, table, old)
    pages = CatalogPages(fresh.client, table)
    first = pages.page(PageRequest(limit=4))
    write(fresh.client, table, [image("f" * 32, EPOCH + timedelta(days=1))])
    rest = all_pages(pages, PageRequest(limit=4))
    second = pages.page(PageRequest(limit=4, cursor=first.cursor))
    third = pages.page(PageRequest(limit=4, cursor=second.cursor))
    ids = [each.id for page in (first, second, third) for each in page.images]
    assert ids == [each.id for each in reversed(old)]
    assert rest[0] == "f" * 32


def test_a_cursor_of_another_query_is_refused(fresh: FreshTables) -> None:
    table = fresh.table()
    cats = [image(f"{n:032x}", EPOCH, (label("Cat", 90.0),)) for n in range(3)]
    write(fresh.client, table, cats)
    pages = CatalogPages(fresh.client, table)
    cursor = pages.page(PageRequest(("cat",), order="best", limit=1)).cursor
    assert cursor
    for other in (
        PageRequest(("dog",), order="best", cursor=cursor),
        PageRequest(("cat",), order="newest", cursor=cursor),
        PageRequest(cursor=cursor),
    ):
        with pytest.raises(InvalidRequest, match="another query"):
            pages.page(other)


def test_labels_are_counted_until_their_images_are_removed(fresh: FreshTables) -> None:
    name = fresh.table()
    cats = [image(f"{n:02x}" + "0" * 30, EPOCH, (label("Cat", 90.0),)) for n in range(20)]
    dogs = [image(f"{n:02x}" + "f" * 30, EPOCH, (label("Dog", 90.0),)) for n in range(5)]
    write(fresh.client, name, [*cats, *dogs])
    table = Table(fresh.client, name)
    counts = LabelCounts(table)
    assert label_counts(counts, "") == {"Cat": 20, "Dog": 5}
    assert label_counts(counts, "c") == {"Cat": 20}
    catalog = Catalog(table)
    for each in (*cats[:3], *dogs):
        assert catalog.forget(catalog.snapshot(each.id))
    removed = (FindingsChange(each.id) for each in (*cats[:3], *dogs))
    SearchIndex(table, ModelVersions(table)).follow(removed)
    assert label_counts(counts, "") == {"Cat": 17}


def test_an_unknown_label_is_refused_with_the_known_ones(fresh: FreshTables) -> None:
    name = fresh.table()
    table = Table(fresh.client, name)
    counts = LabelCounts(table)
    known = ImageSearch(counts, CatalogPages(fresh.client, name))
    with pytest.raises(UnknownLabel, match=r"'cat' yet\. There are no labels yet\."):
        known.require(("cat",))
    cat = image("0" * 32, EPOCH, (label("Cat", 90.0), label("Coffee Cup", 70.0)))
    write(fresh.client, name, [cat])
    known.require(("cat", "animal", "kitty", "cup"))
    with pytest.raises(UnknownLabel, match=r"'dog' yet\. Known labels: Cat, Coffee Cup\. "):
        known.require(("cat", "dog"))
    catalog = Catalog(table)
    assert catalog.forget(catalog.snapshot(cat.id))
    known.require(("cat",))


def label_counts(counts: LabelCounts, prefix: str) -> Counter[str]:
    """The count of every label with a prefix, read with one label per page."""
    found: Counter[str] = Counter()
    cursor = None
    for _ in range(100):
        page = counts.page(prefix, 1, cursor)
        found.update({each.name: each.count for each in page.labels})
        cursor = page.cursor
        if cursor is None:
            return found
    raise AssertionError("The pages do not end.")
