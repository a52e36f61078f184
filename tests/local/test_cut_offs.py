"""The catalog ends up correct when a process is cut off at any AWS call, or a message is repeated.

The tests cut off a simulated process at each AWS call in turn, before the call or after it took
effect. A new process then starts, and the queue delivers the message again (one_process).
"""

import io
import itertools
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from PIL import Image

from chalicelib.aws import clients
from chalicelib.catalog.image_store import ImageStore
from chalicelib.model.findings import Feature
from chalicelib.model.image import DeliveryStatus, Status
from chalicelib.recognition.recognize import RecognitionInProgress
from chalicelib.recognition.request_rate import Throttled
from infra import webhook_secrets
from tests.helpers.bare_emulator import BareEmulator, bare_emulator
from tests.helpers.one_process import FEATURES, RESPONSES, SECONDS, CountingServer, World, connect
from tests.helpers.stage_process import wait_for

# A newer model finds other labels in every image.
NEWER_RESPONSES = RESPONSES | {
    "DetectLabels": {
        "Labels": [
            {"Name": "Cat", "Confidence": 99.5, "Parents": [{"Name": "Pet"}]},
            {"Name": "Armchair", "Confidence": 91.0},
        ],
        "LabelModelVersion": "3.1",
    }
}
NEWER_TERMS = {"cat", "pet", "armchair"}
TERMS = {"cat", "animal", "sofa", "couch"}
RESULT_KEYS = {"IMAGE", "FEATURE#LABELS", "FEATURE#TEXT", "DELIVERY#000001"}
ALL_KEYS = RESULT_KEYS | {"SEARCH"}


@pytest.fixture(scope="module")
def server() -> Iterator[CountingServer]:
    server = CountingServer()
    yield server
    server.shutdown()


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareEmulator]:
    with bare_emulator(tmp_path_factory.mktemp("emulator")) as emulator:
        webhook_secrets.first(emulator.client("ssm"), "local")
        yield emulator


@pytest.fixture
def world(
    emulator: BareEmulator, server: CountingServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    connect(monkeypatch, emulator, server)
    for url in (
        emulator.variables["RECOGNITION_QUEUE_URL"],
        emulator.variables["INTEGRATION_QUEUE_URL"],
    ):
        emulator.client("sqs").purge_queue(QueueUrl=url)
    world = World(emulator, server)
    # A client of its own, whose calls are neither counted nor cut off.
    server.exists = ImageStore(emulator.client("s3"), world.settings.images_bucket_name).exists
    server.meanwhile = lambda: None
    server.is_throttling = False
    server.responses = RESPONSES
    yield world
    clients.client.cache_clear()


numbers = itertools.count(1)


def new_image() -> bytes:
    number = next(numbers)
    file = io.BytesIO()
    Image.new("RGB", (80, 80), tuple(number.to_bytes(3))).save(file, "PNG")
    return file.getvalue()


def test_after_a_cut_off_at_any_call_the_image_is_recognized_counted_and_delivered_once(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.restart()
    world.cut.arm(None, "before-send")
    world.from_arrival_to_delivery(new_image())
    calls = world.cut.calls
    paid_twice: list[str] = []
    tried = 0
    for at, phase in itertools.product(range(1, calls + 1), ("before-send", "response-received")):
        before = world.label_count("Cat")
        world.restart()
        world.cut.arm(at, phase)
        image_id = world.from_arrival_to_delivery(new_image())
        assert world.cut.name, f"the cut at call {at} was never reached"
        tried += 1
        where = f"{phase} {world.cut.name}"
        assert_recognized_and_delivered(world, image_id, where)
        assert world.label_count("Cat") == before + 1, where
        calls_made = [world.server.rekognition_calls[name, image_id] for name in RESPONSES]
        assert max(calls_made) <= 2, where
        if max(calls_made) == 2:
            paid_twice.append(where)
    # Only a process that ends between Rekognition's response and the write pays again.
    assert all(map(is_between_response_and_write, paid_twice))
    with capsys.disabled():
        print(  # noqa: T201 - the point of running this test is the count
            f"\ncut points tried: {tried}, recovered: {tried}; Rekognition called again in "
            f"{len(paid_twice)}: {', '.join(paid_twice)}"
        )


def is_between_response_and_write(where: str) -> bool:
    """Whether a process that is cut off there may have to pay for the call again.

    That is so after Rekognition took the call, and before the PutItem that keeps its findings.
    """
    return "rekognition" in where or where == "before-send dynamodb.PutItem"


def assert_recognized_and_delivered(world: World, image_id: str, where: str) -> None:
    rows = world.rows(image_id)
    assert set(rows) == ALL_KEYS, where
    assert world.terms(image_id) == TERMS, where
    image = world.services.catalog.find(image_id)
    assert image is not None
    assert (image.status, image.pending) == (Status.RECOGNIZED, ()), where
    assert "leased_until" not in rows["IMAGE"], where
    assert [each.status for each in image.deliveries] == [DeliveryStatus.DELIVERED], where
    sent = [webhook_id for webhook_id in world.server.webhooks if image_id in webhook_id]
    assert len(sent) == 1, where


def test_after_a_cut_off_at_any_call_the_findings_of_a_newer_model_replace_the_older_ones(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    def recognized_by_older_model() -> str:
        world.server.responses = RESPONSES
        image_id = world.from_arrival_to_delivery(new_image())
        assert not world.services.recognition_requests.request(image_id, FEATURES)
        world.server.responses = NEWER_RESPONSES
        world.from_arrival_to_delivery(new_image())  # the first one that the newer model recognizes
        return image_id

    image_id = recognized_by_older_model()
    world.cut.arm(None, "before-send")
    world.recognize_more(image_id)
    calls = world.cut.calls
    tried = 0
    for at, phase in itertools.product(range(1, calls + 1), ("before-send", "response-received")):
        image_id = recognized_by_older_model()
        before = {name: world.label_count(name) for name in ("Cat", "Sofa", "Armchair")}
        world.restart()
        world.cut.arm(at, phase)
        world.recognize_more(image_id)
        tried += 1
        where = f"{phase} {world.cut.name}"
        assert world.cut.name, f"the cut at call {at} was never reached"
        assert set(world.rows(image_id)) == ALL_KEYS | {"DELIVERY#000002"}, where
        assert world.terms(image_id) == NEWER_TERMS, where
        image = world.services.catalog.find(image_id)
        assert image is not None
        assert [label.name for label in image.findings.labels] == ["Cat", "Armchair"], where
        versions = {state.name: state.model_version for state in image.features}
        assert versions == {Feature.LABELS: "3.1", Feature.TEXT: "3.0"}, where
        after = {name: world.label_count(name) for name in before}
        assert after == before | {
            "Sofa": before["Sofa"] - 1,
            "Armchair": before["Armchair"] + 1,
        }, where
        assert world.server.rekognition_calls["DetectText", image_id] == 1, where
        # One call for the older model, and one for the newer; a third only if the newer model's
        # findings were not written.
        calls_made = world.server.rekognition_calls["DetectLabels", image_id]
        assert calls_made == 2 or (calls_made == 3 and is_between_response_and_write(where)), where
        assert not world.services.recognition_requests.request(image_id, FEATURES), where
    with capsys.disabled():
        print(  # noqa: T201 - the point of running this test is the count
            f"\ncut points of a recognition by a newer model tried: {tried}, recovered: {tried}"
        )


def test_after_a_cut_off_at_any_call_of_a_removal_nothing_is_left(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    image_id = world.from_arrival_to_delivery(new_image())
    world.cut.arm(None, "before-send")
    world.remove(image_id)
    world.index()
    calls = world.cut.calls
    tried = 0
    for at, phase in itertools.product(range(1, calls + 1), ("before-send", "response-received")):
        before = world.label_count("Cat")
        world.cut.arm(None, phase)
        image_id = world.from_arrival_to_delivery(new_image())
        world.cut.arm(at, phase)
        world.remove(image_id)
        world.index()
        tried += 1
        assert world.cut.name
        assert_removed(world, image_id)
        assert world.label_count("Cat") == before
    with capsys.disabled():
        print(f"\ncut points of a removal tried: {tried}, recovered: {tried}")  # noqa: T201


def test_three_concurrent_messages_per_image_in_any_order_cost_one_call_per_operation(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.recognition._lease_duration = timedelta(seconds=30)
    ids = [world.post(new_image()) for _ in range(20)]
    messages = ids * 3
    random.Random(7).shuffle(messages)  # noqa: S311 - no secret

    def recognize(image_id: str) -> None:
        def attempt() -> bool:
            try:
                world.recognition.recognize(image_id, last_attempt=False)
            except RecognitionInProgress:
                return False
            return True

        wait_for(attempt, bool, SECONDS, "the lease of another thread to end")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(recognize, messages))
    calls_made = [
        world.server.rekognition_calls[name, image_id] for name in RESPONSES for image_id in ids
    ]
    assert calls_made == [1] * len(calls_made)
    for image_id in ids:
        assert set(world.rows(image_id)) == RESULT_KEYS
    with capsys.disabled():
        print(  # noqa: T201 - the point of running this test is the count
            f"\n{len(messages)} messages for {len(ids)} images: {sum(calls_made)} Rekognition "
            "calls, one per image and operation"
        )


def test_an_image_recognized_before_it_is_registered_gets_only_the_requested_features(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3's event may arrive before the function that stored the object registers the image."""
    store = world.services.store
    put = store.put

    def put_and_recognize(image_id: str, *arguments: Any) -> bool:
        is_new = put(image_id, *arguments)
        world.recognition.recognize(image_id, last_attempt=False)
        return is_new

    monkeypatch.setattr(store, "put", put_and_recognize)
    image_id = world.services.intake.accept_content(new_image(), (Feature.TEXT,)).image.id
    assert set(world.rows(image_id)) == {"IMAGE", "FEATURE#TEXT", "DELIVERY#000001"}
    image = world.services.catalog.find(image_id)
    assert image is not None
    assert (image.status, image.content is None) == (Status.RECOGNIZED, False)
    calls_made = [world.server.rekognition_calls[name, image_id] for name in RESPONSES]
    assert calls_made == [0, 1]


def test_a_throttled_call_is_made_once_and_left_to_a_later_attempt(world: World) -> None:
    """The message waits in the queue, because Lambda would bill for a wait in the function."""
    world.server.is_throttling = True
    image_id = world.post(new_image())
    with pytest.raises(Throttled):
        world.recognition.recognize(image_id, last_attempt=False)
    assert [world.server.rekognition_calls[name, image_id] for name in RESPONSES] == [1, 1]
    world.server.is_throttling = False
    world.recognition.recognize(image_id, last_attempt=False)
    assert set(world.rows(image_id)) == RESULT_KEYS


def test_a_removal_before_the_recognition_leaves_nothing(world: World) -> None:
    image_id = world.post(new_image())
    world.remove(image_id)
    world.recognition.recognize(image_id, last_attempt=False)
    assert_removed(world, image_id)


def test_a_removal_during_the_recognition_drops_the_result(world: World) -> None:
    before = world.label_count("Cat")
    image_id = world.post(new_image())
    world.server.meanwhile = lambda: world.remove(image_id)
    world.recognition.recognize(image_id, last_attempt=False)
    assert_removed(world, image_id)
    assert world.label_count("Cat") == before


def assert_removed(world: World, image_id: str) -> None:
    """Nothing is left but the tombstone, and which calls were counted."""
    world.index()
    rows = world.rows(image_id)
    assert rows.keys() <= {"IMAGE", "SEARCH"}
    assert "removed_at" in rows["IMAGE"]
    assert rows.get("SEARCH", {}).get("terms", {}) == {}
    assert world.terms(image_id) == set()
    assert world.services.catalog.find(image_id) is None
