"""What use cases rely on in the catalog."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.aws.dynamodb_table import Table
from chalicelib.catalog.images import Catalog, RowKeepsChanging
from chalicelib.catalog.leases import Lease, Leases
from chalicelib.model.changes import FeatureOutcome, with_features_requested
from chalicelib.model.errors import ImageNotFound
from chalicelib.model.findings import Feature, Findings, Label, RekognitionCall, Text
from chalicelib.model.image import Image, Status
from tests.helpers.images import CAT, CUP, IMAGE_ID
from tests.helpers.memory import MemoryAws

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LEASE = timedelta(seconds=75)
LABELS = RekognitionCall("DetectLabels", (Feature.LABELS,))
ARRIVAL = with_features_requested(
    Image(IMAGE_ID, Status.PENDING, NOW, sources=("https://example.com/cat.jpg",)),
    [Feature.LABELS],
    NOW,
)


@pytest.fixture
def table(aws: MemoryAws) -> Table:
    return Table(aws.client("dynamodb"), aws.table_name)


@pytest.fixture
def catalog(table: Table) -> Catalog:
    return Catalog(table)


@pytest.fixture
def leases(table: Table, catalog: Catalog) -> Leases:
    return Leases(table, catalog, lambda image_id: (Feature.TEXT,))


def revision(catalog: Catalog) -> int:
    row = catalog.row(IMAGE_ID)
    assert row is not None
    return row.revision


def recognize(leases: Leases, *labels: Label) -> None:
    lease = leases.acquire(IMAGE_ID, NOW, LEASE)
    outcomes = [FeatureOutcome(Feature.LABELS, "3.0")]
    assert leases.record(lease, outcomes, Findings(labels=labels), [LABELS], NOW)


def test_a_registered_image_is_found_unchanged(catalog: Catalog) -> None:
    assert catalog.find(IMAGE_ID) is None
    registered = catalog.register(ARRIVAL)
    assert (registered.is_new, registered.added) == (True, (Feature.LABELS,))
    assert catalog.find(IMAGE_ID) == ARRIVAL == catalog.get(IMAGE_ID)


@pytest.mark.parametrize("image_id", [IMAGE_ID, "no-id", ""])
def test_getting_an_unknown_image_raises_image_not_found(catalog: Catalog, image_id: str) -> None:
    with pytest.raises(ImageNotFound):
        catalog.get(image_id)


def test_registering_a_known_image_adds_its_new_source_and_features_once(catalog: Catalog) -> None:
    catalog.register(ARRIVAL)
    other = with_features_requested(
        replace(ARRIVAL, sources=("https://other.example/",)), [Feature.TEXT], NOW
    )
    for added in ((Feature.TEXT,), ()):
        registered = catalog.register(other)
        assert (registered.is_new, registered.added) == (False, added)
    assert registered.image.sources == ("https://example.com/cat.jpg", "https://other.example/")
    assert registered.image.pending == (Feature.LABELS, Feature.TEXT)


def test_an_unchanged_image_is_not_written(catalog: Catalog) -> None:
    catalog.register(ARRIVAL)
    before = revision(catalog)
    assert catalog.revise(IMAGE_ID, lambda image: image) == ARRIVAL
    catalog.register(ARRIVAL)
    assert revision(catalog) == before


def test_a_change_increments_the_revision(catalog: Catalog) -> None:
    catalog.register(ARRIVAL)
    before = revision(catalog)
    catalog.revise(IMAGE_ID, lambda image: replace(image, sources=()))
    assert revision(catalog) == before + 1


def test_revising_an_unknown_image_returns_none(catalog: Catalog) -> None:
    assert catalog.revise(IMAGE_ID, lambda image: image) is None


def test_a_change_is_recomputed_after_a_concurrent_one(catalog: Catalog) -> None:
    catalog.register(ARRIVAL)
    seen: list[tuple[str, ...]] = []

    def add_after_another(image: Image) -> Image:
        if not seen:
            catalog.revise(IMAGE_ID, lambda other: replace(other, sources=("a",)))
        seen.append(image.sources)
        return replace(image, sources=(*image.sources, "b"))

    image = catalog.revise(IMAGE_ID, add_after_another)
    assert seen == [ARRIVAL.sources, ("a",)]
    assert image is not None
    assert image.sources == ("a", "b")


def test_a_change_that_always_loses_the_race_raises(catalog: Catalog) -> None:
    catalog.register(ARRIVAL)

    def change_and_lose(image: Image) -> Image:
        catalog.revise(IMAGE_ID, lambda other: replace(other, sources=(*other.sources, "a")))
        return replace(image, sources=("b",))

    with pytest.raises(RowKeepsChanging):
        catalog.revise(IMAGE_ID, change_and_lose)


def test_findings_are_read_with_their_image_and_replaced_by_newer_ones(
    catalog: Catalog, leases: Leases
) -> None:
    catalog.register(ARRIVAL)
    recognize(leases, CAT, CUP)
    image = catalog.get(IMAGE_ID)
    assert (image.status, image.findings.labels) == (Status.RECOGNIZED, (CAT, CUP))
    latest = {Feature.LABELS: "4.0"}
    catalog.revise(
        IMAGE_ID,
        lambda known: with_features_requested(known, [Feature.LABELS], NOW, latest),
    )
    recognize(leases, CAT)
    assert catalog.get(IMAGE_ID).findings.labels == (CAT,)
    assert catalog.snapshot(IMAGE_ID).labels == (CAT.name,)


def test_forgetting_an_image_deletes_all_its_items(catalog: Catalog, leases: Leases) -> None:
    catalog.register(ARRIVAL)
    recognize(leases, CAT)
    assert catalog.forget(catalog.snapshot(IMAGE_ID))
    assert catalog.snapshot(IMAGE_ID).sort_keys == ()
    assert catalog.forget(catalog.snapshot(IMAGE_ID))  # a second removal has nothing to do


def test_an_image_that_changed_since_the_snapshot_is_not_forgotten(
    catalog: Catalog, leases: Leases
) -> None:
    catalog.register(ARRIVAL)
    before = catalog.snapshot(IMAGE_ID)
    recognize(leases, CAT)
    assert not catalog.forget(before)
    assert catalog.get(IMAGE_ID).findings.labels == (CAT,)


def test_a_lease_is_held_by_one_until_it_is_released_or_ends(
    catalog: Catalog, leases: Leases
) -> None:
    catalog.register(ARRIVAL)
    first = leases.acquire(IMAGE_ID, NOW, LEASE)
    assert first.token is not None
    assert leases.acquire(IMAGE_ID, NOW, LEASE).token is None
    leases.release(first)
    second = leases.acquire(IMAGE_ID, NOW, LEASE)
    assert second.token is not None
    later = NOW + LEASE + timedelta(seconds=1)
    assert leases.acquire(IMAGE_ID, later, LEASE).token is not None


def test_a_recognized_image_cannot_be_leased(catalog: Catalog, leases: Leases) -> None:
    catalog.register(ARRIVAL)
    recognize(leases, CAT)
    assert leases.acquire(IMAGE_ID, NOW, LEASE).token is None


def test_leasing_an_unregistered_image_creates_it(catalog: Catalog, leases: Leases) -> None:
    lease = leases.acquire(IMAGE_ID, NOW, LEASE)
    assert lease.token is not None
    assert catalog.get(IMAGE_ID).pending == (Feature.TEXT,)
    # A later registration keeps the lease.
    assert catalog.register(ARRIVAL).added == (Feature.LABELS,)
    assert leases.acquire(IMAGE_ID, NOW, LEASE).token is None


@pytest.mark.parametrize("lost", ["removed", "taken over"])
def test_a_result_without_its_lease_is_dropped(catalog: Catalog, leases: Leases, lost: str) -> None:
    catalog.register(ARRIVAL)
    lease = leases.acquire(IMAGE_ID, NOW, LEASE)
    if lost == "removed":
        catalog.forget(catalog.snapshot(IMAGE_ID))
    else:
        leases.acquire(IMAGE_ID, NOW + 2 * LEASE, LEASE)
    outcomes = [FeatureOutcome(Feature.LABELS, "3.0")]
    assert leases.record(lease, outcomes, Findings(labels=(CAT,)), [LABELS], NOW) is None
    image = catalog.find(IMAGE_ID)
    assert image is None or image.findings.labels == ()


def test_a_source_added_during_recognition_is_kept(catalog: Catalog, leases: Leases) -> None:
    catalog.register(ARRIVAL)
    lease = leases.acquire(IMAGE_ID, NOW, LEASE)
    catalog.register(replace(ARRIVAL, sources=("https://other.example/",)))
    _record(leases, lease)
    image = catalog.get(IMAGE_ID)
    assert image.sources == ("https://example.com/cat.jpg", "https://other.example/")
    assert image.findings.labels == (CAT,)


def test_a_feature_requested_during_recognition_stays_pending(
    catalog: Catalog, leases: Leases
) -> None:
    catalog.register(ARRIVAL)
    lease = leases.acquire(IMAGE_ID, NOW, LEASE)
    catalog.register(with_features_requested(ARRIVAL, [Feature.TEXT], NOW))
    row = _record(leases, lease)
    assert row.pending == (Feature.TEXT,)
    assert leases.acquire(IMAGE_ID, NOW, LEASE).token is not None


def _record(leases: Leases, lease: Lease) -> Image:
    outcomes = [FeatureOutcome(Feature.LABELS, "3.0")]
    row = leases.record(lease, outcomes, Findings(labels=(CAT,)), [LABELS], NOW)
    assert row is not None
    return row.image


def test_findings_of_several_features_are_merged(catalog: Catalog, leases: Leases) -> None:
    catalog.register(with_features_requested(ARRIVAL, [Feature.TEXT], NOW))
    _record(leases, leases.acquire(IMAGE_ID, NOW, LEASE))
    outcomes = [FeatureOutcome(Feature.TEXT, "3.0")]
    text = Text(0, "LINE", "cat", 99.0, CAT_BOX, ())
    call = RekognitionCall("DetectText", (Feature.TEXT,))
    lease = leases.acquire(IMAGE_ID, NOW, LEASE)
    assert leases.record(lease, outcomes, Findings(texts=(text,)), [call], NOW)
    assert catalog.get(IMAGE_ID).findings == Findings(labels=(CAT,), texts=(text,))


CAT_BOX = CAT.instances[0].bounding_box
