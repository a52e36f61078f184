"""What use cases rely on in the catalog."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.aws.dynamodb_table import Table
from chalicelib.catalog.deliveries import Deliveries, new_delivery
from chalicelib.catalog.images import Catalog, RowKeepsChanging
from chalicelib.catalog.items import MAX_DELIVERIES
from chalicelib.catalog.leases import Lease, Leases
from chalicelib.model.changes import FeatureOutcome, with_features_requested
from chalicelib.model.errors import ImageNotFound
from chalicelib.model.findings import Feature, Findings, Label, RekognitionCall, Text
from chalicelib.model.image import DeliveryStatus, Image, Status
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
    return Leases(table, catalog, Deliveries(table), lambda image_id: (Feature.TEXT,))


def revision(catalog: Catalog) -> int:
    row = catalog.row(IMAGE_ID)
    assert row is not None
    return row.revision


def recognize(leases: Leases, *labels: Label) -> None:
    _record(leases, leases.acquire(IMAGE_ID, NOW, LEASE), *labels)


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
    catalog.register(ARRIVAL, is_stored_anew=True)
    assert revision(catalog) == before + 1


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


def test_forgetting_an_image_deletes_all_its_items(catalog: Catalog, leases: Leases) -> None:
    catalog.register(ARRIVAL)
    recognize(leases, CAT)
    assert catalog.forget(catalog.snapshot(IMAGE_ID))
    assert catalog.find(IMAGE_ID) is None
    left = catalog.snapshot(IMAGE_ID)
    assert (left.sort_keys, left.is_removed) == (("IMAGE",), True)
    assert catalog.forget(left)  # a second removal has nothing to do
    assert catalog.bury(left)
    assert catalog.snapshot(IMAGE_ID).sort_keys == ()


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
    now = datetime.now(UTC) + timedelta(seconds=1)
    second = leases.acquire(IMAGE_ID, now, LEASE)
    assert second.token is not None
    later = now + LEASE + timedelta(seconds=1)
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
    findings = Findings(labels=(CAT,))
    leases.keep(lease, LABELS, findings, "3.0", NOW)
    assert leases.record(lease, outcomes, findings, NOW) is None
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


def _record(leases: Leases, lease: Lease, *labels: Label) -> Image:
    findings = Findings(labels=labels or (CAT,))
    leases.keep(lease, LABELS, findings, "3.0", NOW)
    row = leases.record(lease, [FeatureOutcome(Feature.LABELS, "3.0")], findings, NOW)
    assert row is not None
    return row.image


def test_findings_of_several_features_are_merged(catalog: Catalog, leases: Leases) -> None:
    catalog.register(with_features_requested(ARRIVAL, [Feature.TEXT], NOW))
    _record(leases, leases.acquire(IMAGE_ID, NOW, LEASE))
    outcomes = [FeatureOutcome(Feature.TEXT, "3.0")]
    text = Text(0, "LINE", "cat", 99.0, CAT_BOX, ())
    call = RekognitionCall("DetectText", (Feature.TEXT,))
    lease = leases.acquire(IMAGE_ID, NOW, LEASE)
    leases.keep(lease, call, Findings(texts=(text,)), "3.0", NOW)
    assert leases.record(lease, outcomes, Findings(texts=(text,)), NOW)
    assert catalog.get(IMAGE_ID).findings == Findings(labels=(CAT,), texts=(text,))


def test_what_a_holder_kept_is_found_by_the_next_one(catalog: Catalog, leases: Leases) -> None:
    catalog.register(with_features_requested(ARRIVAL, [Feature.TEXT], NOW))
    first = leases.acquire(IMAGE_ID, NOW, LEASE)
    assert not first.is_takeover
    leases.keep(first, LABELS, Findings(labels=(CAT,)), "3.0", NOW)
    assert catalog.get(IMAGE_ID).findings == Findings()  # shown once the image's item says so
    leases.release(first)
    second = leases.acquire(IMAGE_ID, datetime.now(UTC) + timedelta(seconds=1), LEASE)
    assert second.is_takeover
    kept = leases.kept(second)
    assert kept.outcomes == (FeatureOutcome(Feature.LABELS, "3.0"),)
    assert kept.findings.labels == (CAT,)


def test_findings_of_an_earlier_request_are_not_those_of_the_current_one(
    catalog: Catalog, leases: Leases
) -> None:
    catalog.register(ARRIVAL)
    recognize(leases, CAT)
    later = NOW + timedelta(days=1)
    latest = {Feature.LABELS: "4.0"}
    catalog.revise(
        IMAGE_ID, lambda known: with_features_requested(known, [Feature.LABELS], later, latest)
    )
    leases.release(leases.acquire(IMAGE_ID, later, LEASE))
    lease = leases.acquire(IMAGE_ID, later + 2 * LEASE, LEASE)
    assert lease.is_takeover
    assert leases.kept(lease).outcomes == ()


def test_what_a_lost_lease_kept_is_discarded_but_not_what_the_next_holder_kept(
    catalog: Catalog, leases: Leases
) -> None:
    catalog.register(ARRIVAL)
    first = leases.acquire(IMAGE_ID, NOW, LEASE)
    leases.keep(first, LABELS, Findings(labels=(CAT,)), "3.0", NOW)
    second = leases.acquire(IMAGE_ID, NOW + 2 * LEASE, LEASE)
    leases.discard(second, [Feature.LABELS])
    assert leases.kept(second).outcomes
    leases.discard(first, [Feature.LABELS])
    assert leases.kept(second).outcomes == ()


def test_a_result_begins_its_delivery(catalog: Catalog, leases: Leases) -> None:
    catalog.register(ARRIVAL)
    recognize(leases, CAT)
    assert catalog.get(IMAGE_ID).deliveries == (new_delivery(1, NOW),)


def test_a_delivery_is_recorded_unless_it_has_succeeded(
    catalog: Catalog, leases: Leases, table: Table
) -> None:
    catalog.register(ARRIVAL)
    recognize(leases, CAT)
    deliveries = Deliveries(table)
    delivered = replace(new_delivery(1, NOW), status=DeliveryStatus.DELIVERED, tries=2)
    assert deliveries.record(IMAGE_ID, delivered)
    assert not deliveries.record(IMAGE_ID, replace(delivered, status=DeliveryStatus.FAILED))
    assert not deliveries.record(IMAGE_ID, replace(delivered, number=2))  # there is none
    assert catalog.get(IMAGE_ID).deliveries == (delivered,)


def test_a_delivery_supersedes_the_earlier_ones_and_only_the_last_are_kept(
    catalog: Catalog, leases: Leases, table: Table
) -> None:
    catalog.register(ARRIVAL)
    recognize(leases, CAT)
    deliveries = Deliveries(table)
    for number in range(2, MAX_DELIVERIES + 4):
        deliveries.begin(IMAGE_ID, new_delivery(number, NOW))
    shown = catalog.get(IMAGE_ID).deliveries
    assert [each.number for each in shown] == list(range(4, MAX_DELIVERIES + 4))
    statuses = [each.status for each in shown]
    assert statuses == [DeliveryStatus.SUPERSEDED] * (MAX_DELIVERIES - 1) + [DeliveryStatus.PENDING]


def test_a_removed_image_that_is_registered_again_is_new_and_escapes_the_earlier_removal(
    catalog: Catalog,
) -> None:
    catalog.register(ARRIVAL)
    before = catalog.snapshot(IMAGE_ID)
    assert catalog.forget(before)
    assert catalog.register(ARRIVAL).is_new
    assert not catalog.forget(before)
    assert catalog.get(IMAGE_ID) == ARRIVAL


CAT_BOX = CAT.instances[0].bounding_box
