"""After a soak, all books agree: S3, the catalog, the counts, the usage and the third party."""

import time
from collections.abc import Iterator, Sequence

import pytest

from tests.helpers.books import Books, books_of, disagreements
from tests.helpers.stage_process import StageProcess, wait_for
from tests.helpers.steps import queue_url
from tests.local.soak.conftest import Fate, Soak, labels_of

SETTLE_SECONDS = 180
DELIVERIES_LOOKED_AT = 400

# An image whose removal is noticed after it was posted again may be left without a message, until
# reconciliation queues it again. A deployed stage runs it every 15 minutes.
RECONCILIATION_SECONDS = 40

QUEUES = ("intake", "recognition", "integration", "removals")

# A worker may keep this much more at the end than halfway. In between, the long run takes some
# hundred images per worker; a picture that stays in memory is 28 KB, a response of AWS some KB.
MAX_GROWTH_MEGABYTES = 8
STARTED_MEGABYTES = 64  # of a worker that has imported the app and made its clients


@pytest.fixture(scope="module")
def books(soak: Soak) -> Books:
    """The books once they agree; fails, and names each disagreement, if they do not."""

    def look() -> tuple[Books, list[str]]:
        books = books_of(soak.stage)
        return books, [
            *disagreements(books, soak.expected),
            *wrong_labels(books),
            *wrong_usage(soak, books),
            *wrong_deliveries(soak),
        ]

    found: list[tuple[Books, list[str]]] = []
    reconciled_at = time.monotonic()

    def agree() -> bool:
        nonlocal reconciled_at
        found[:] = [look()]
        if found[0][1] and time.monotonic() - reconciled_at > RECONCILIATION_SECONDS:
            soak.stage.reconcile()
            soak.reconciliations += 1
            reconciled_at = time.monotonic()
        return not found[0][1]

    try:
        wait_for(agree, bool, SETTLE_SECONDS, "the books to agree")
    except AssertionError:
        lines = found[0][1]
        pytest.fail("\n".join([f"{len(lines)} disagreements:", *lines[:40]]))
    return found[0][0]


def wrong_labels(books: Books) -> Iterator[str]:
    for image_id, image in books.images.items():
        names = {label["name"] for label in image["labels"] or ()}
        expected = {name for name, _, _ in labels_of(image_id)}
        if image["status"] == "RECOGNIZED" and names != expected:
            yield f"image {image_id} has the labels {sorted(names)}, not {sorted(expected)}"


def wrong_usage(soak: Soak, books: Books) -> Iterator[str]:
    """The usage counts each call whose answer was kept, and no call twice.

    An image that was removed and posted again has two lives, and a call for each; if it was posted
    before its removal was noticed, it may have kept its first answer.
    """
    least = len(soak.fates) + len(soak.ids(Fate.FORGOTTEN_AND_POSTED_AGAIN))
    most = soak.quick.recognizer.calls.total()
    if not least <= books.calls <= most:
        yield f"the usage counts {books.calls} calls, not {least} to {most}"
    # Only the answer of a worker that was killed is lost, and with it the call.
    if not soak.killed.get("recognize_images") and books.calls != most:
        yield f"the usage counts {books.calls} calls of {most}, and no worker was killed"


def wrong_deliveries(soak: Soak) -> Iterator[str]:
    received = soak.quick.third_party.received
    has_two_lives = soak.ids(Fate.FORGOTTEN_AND_POSTED_AGAIN, Fate.POSTED_AGAIN_AT_ONCE)
    for image_id in soak.fates:
        webhook_ids = sorted(received.get(image_id, ()))
        if not webhook_ids:
            yield f"the third party never received the result of image {image_id}"
        if len(webhook_ids) > 1 and image_id not in has_two_lives:
            yield f"the third party received image {image_id} as {', '.join(webhook_ids)}"


def test_all_books_agree_once_it_is_quiet(
    soak: Soak, books: Books, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = soak.quick.recognizer.calls
    with capsys.disabled():
        print(  # noqa: T201 - people run this for the counts
            f"\n  {len(soak.fates)} images in {soak.seconds:.0f} s, of which "
            f"{len(soak.ids(Fate.DELETED))} deleted, "
            f"{len(soak.ids(Fate.FORGOTTEN_AND_POSTED_AGAIN, Fate.POSTED_AGAIN_AT_ONCE))} posted "
            f"again after that, {soak.redriven} redriven, "
            f"reconciled {soak.reconciliations} times; workers killed: {soak.killed}; "
            f"{calls.total()} calls of the recognizer, {books.calls} in the usage; "
            f"{len(books.images)} images and {len(books.counts)} labels agree"
        )
    assert books.images.keys() == soak.expected
    assert len(soak.fates) > 100
    assert soak.redriven
    assert sum(soak.killed.values()) >= 3


def test_images_are_shown_as_delivered(soak: Soak, books: Books) -> None:
    pending = soak.ids(Fate.NOTHING, Fate.POSTED_TWICE, Fate.REFUSED_AT_FIRST)
    for image_id in sorted(pending)[:DELIVERIES_LOOKED_AT]:
        image = wait_for(
            lambda: soak.stage.request("GET", f"/images/{image_id}").json(),  # noqa: B023
            lambda image: image["delivery"]["status"] not in ("PENDING", "QUEUED"),
            SETTLE_SECONDS,
            f"the delivery of image {image_id} to be over",
        )
        assert image["delivery"]["status"] == "DELIVERED", image


def test_what_was_deleted_is_found_nowhere(soak: Soak, books: Books) -> None:
    for image_id in soak.ids(Fate.DELETED):
        assert soak.stage.request("GET", f"/images/{image_id}").status_code == 404


def test_an_image_whose_worker_lived_is_asked_for_once(soak: Soak, books: Books) -> None:
    lives = {Fate.FORGOTTEN_AND_POSTED_AGAIN: 2, Fate.POSTED_AGAIN_AT_ONCE: 2}
    repeated = {
        image_id: calls
        for image_id, calls in soak.quick.recognizer.calls.items()
        if calls > lives.get(soak.fates[image_id], 1)
    }
    # A killed worker had at most one batch of ten images.
    assert len(repeated) <= 10 * soak.killed.get("recognize_images", 0), repeated


def test_the_queues_are_empty(soak: Soak, books: Books) -> None:
    names = [f"{queue}{suffix}" for queue in QUEUES for suffix in ("", "-dead-letters")]
    wait_for(
        lambda: [name for name in names if messages_in(soak.stage, name)],
        lambda filled: not filled,
        SETTLE_SECONDS,
        "empty queues",
    )


def test_the_memory_of_workers_does_not_grow(soak: Soak) -> None:
    halfway, end = soak.memory
    survivors: Sequence[str] = sorted(halfway.keys() & end.keys())
    assert survivors
    grown = {
        worker: (halfway[worker], end[worker])
        for worker in survivors
        # Halfway, a worker may have been starting.
        if end[worker] > max(halfway[worker], STARTED_MEGABYTES) + MAX_GROWTH_MEGABYTES
    }
    assert not grown


def messages_in(stage: StageProcess, queue: str) -> int:
    """The number of messages in a queue, also of those that somebody has received."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    response = stage.client("sqs").get_queue_attributes(
        QueueUrl=queue_url(stage, queue), AttributeNames=names
    )
    return sum(int(response["Attributes"][name]) for name in names)
