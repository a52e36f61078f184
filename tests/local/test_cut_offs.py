"""Cut off at every AWS call in turn, and told everything twice: the rows come out right.

At one call after the other the process is cut off, before the call or after it took effect; then a
new one starts, and the queue gives the message again (one_process).
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
from chalicelib.recognition.rekognition import Throttled
from infra import webhook_secrets
from tests.helpers.bare_emulator import CREDENTIALS, BareEmulator, bare_emulator
from tests.helpers.one_process import ANSWERS, FEATURES, SECONDS, Counting, World
from tests.helpers.stage_process import wait_for

# A newer model sees something else in every picture.
NEWER_ANSWERS = ANSWERS | {
    "DetectLabels": {
        "Labels": [
            {"Name": "Cat", "Confidence": 99.5, "Parents": [{"Name": "Pet"}]},
            {"Name": "Armchair", "Confidence": 91.0},
        ],
        "LabelModelVersion": "3.1",
    }
}
NEWER_KEYS = {"LABEL#cat", "LABEL#pet", "LABEL#armchair"}
LABEL_KEYS = {"LABEL#cat", "LABEL#animal", "LABEL#sofa", "LABEL#couch"}
ALL_KEYS = {"IMAGE", "FEATURE#LABELS", "FEATURE#TEXT"} | LABEL_KEYS


@pytest.fixture(scope="module")
def server() -> Iterator[Counting]:
    server = Counting()
    yield server
    server.shutdown()


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareEmulator]:
    with bare_emulator(tmp_path_factory.mktemp("emulator")) as emulator:
        webhook_secrets.first(emulator.client("ssm"), "local")
        yield emulator


@pytest.fixture
def world(
    emulator: BareEmulator, server: Counting, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_REKOGNITION", server.url)
    for url in (
        emulator.variables["RECOGNITION_QUEUE_URL"],
        emulator.variables["INTEGRATION_QUEUE_URL"],
    ):
        emulator.client("sqs").purge_queue(QueueUrl=url)
    world = World(emulator, server)
    # With a client of its own, which is neither counted nor cut off.
    server.exists = ImageStore(emulator.client("s3"), world.settings.images_bucket_name).exists
    server.meanwhile = lambda: None
    server.is_throttling = False
    server.answers = ANSWERS
    yield world
    clients.client.cache_clear()


numbers = itertools.count(1)


def new_picture() -> bytes:
    number = next(numbers)
    file = io.BytesIO()
    Image.new("RGB", (80, 80), tuple(number.to_bytes(3))).save(file, "PNG")
    return file.getvalue()


def test_cut_off_at_any_call_everything_comes_out_right(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.start_anew()
    world.cut.arm(None, "before-send")
    world.from_arrival_to_delivery(new_picture())
    calls = world.cut.calls
    asked_twice: list[str] = []
    tried = 0
    for at, phase in itertools.product(range(1, calls + 1), ("before-send", "response-received")):
        before = world.counted("Cat")
        world.start_anew()
        world.cut.arm(at, phase)
        image_id = world.from_arrival_to_delivery(new_picture())
        assert world.cut.name, f"the cut at call {at} was never reached"
        tried += 1
        where = f"{phase} {world.cut.name}"
        assert_recognized_and_delivered(world, image_id, where)
        assert world.counted("Cat") == before + 1, where
        calls_made = [world.server.rekognition_calls[name, image_id] for name in ANSWERS]
        assert max(calls_made) <= 2, where
        if max(calls_made) == 2:
            asked_twice.append(where)
    # Only a process that ends between Rekognition's answer and its write pays again.
    assert all(map(is_between_answer_and_write, asked_twice))
    with capsys.disabled():
        print(  # noqa: T201 - the count is what the test is run for
            f"\ncut points tried: {tried}, recovered: {tried}; Rekognition asked again in "
            f"{len(asked_twice)}: {', '.join(asked_twice)}"
        )


def is_between_answer_and_write(where: str) -> bool:
    """Whether a process that was cut off there may have to pay again.

    The Query is of the labels that an older model found, which go first.
    """
    return any(call in where for call in ("rekognition", "dynamodb.Query", "TransactWriteItems"))


def assert_recognized_and_delivered(world: World, image_id: str, where: str) -> None:
    rows = world.rows(image_id)
    assert set(rows) == ALL_KEYS, where
    image = world.services.catalog.find(image_id)
    assert image is not None
    assert (image.status, image.pending) == (Status.RECOGNIZED, ()), where
    assert "leased_until" not in rows["IMAGE"], where
    assert [each.status for each in image.deliveries] == [DeliveryStatus.DELIVERED], where
    sent = [webhook_id for webhook_id in world.server.webhooks if image_id in webhook_id]
    assert len(sent) == 1, where


def test_cut_off_at_any_call_a_newer_model_is_asked_once_and_takes_the_place_of_the_older(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    def recognized_by_the_older() -> str:
        world.server.answers = ANSWERS
        image_id = world.from_arrival_to_delivery(new_picture())
        assert not world.services.recognition_requests.begin(image_id, FEATURES)
        world.server.answers = NEWER_ANSWERS
        world.from_arrival_to_delivery(new_picture())  # the first that the newer one answers
        return image_id

    image_id = recognized_by_the_older()
    world.cut.arm(None, "before-send")
    world.recognize_more(image_id)
    calls = world.cut.calls
    tried = 0
    for at, phase in itertools.product(range(1, calls + 1), ("before-send", "response-received")):
        image_id = recognized_by_the_older()
        before = {name: world.counted(name) for name in ("Cat", "Sofa", "Armchair")}
        world.start_anew()
        world.cut.arm(at, phase)
        world.recognize_more(image_id)
        tried += 1
        where = f"{phase} {world.cut.name}"
        assert world.cut.name, f"the cut at call {at} was never reached"
        keys = {"IMAGE", "FEATURE#LABELS", "FEATURE#TEXT"} | NEWER_KEYS
        assert set(world.rows(image_id)) == keys, where
        image = world.services.catalog.find(image_id)
        assert image is not None
        assert [label.name for label in image.findings.labels] == ["Cat", "Armchair"], where
        versions = {state.name: state.model_version for state in image.features}
        assert versions == {Feature.LABELS: "3.1", Feature.TEXT: "3.0"}, where
        after = {name: world.counted(name) for name in before}
        assert after == before | {
            "Sofa": before["Sofa"] - 1,
            "Armchair": before["Armchair"] + 1,
        }, where
        assert world.server.rekognition_calls["DetectText", image_id] == 1, where
        # By the older model once; by the newer again only where its answer was not written.
        asked = world.server.rekognition_calls["DetectLabels", image_id]
        assert asked == 2 or (asked == 3 and is_between_answer_and_write(world.cut.name)), where
        assert not world.services.recognition_requests.begin(image_id, FEATURES), where
    with capsys.disabled():
        print(  # noqa: T201 - the count is what the test is run for
            f"\ncut points of a recognition by a newer model tried: {tried}, recovered: {tried}"
        )


def test_cut_off_at_any_call_of_a_removal_nothing_is_left(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    image_id = world.from_arrival_to_delivery(new_picture())
    world.cut.arm(None, "before-send")
    world.remove(image_id)
    calls = world.cut.calls
    tried = 0
    for at, phase in itertools.product(range(1, calls + 1), ("before-send", "response-received")):
        before = world.counted("Cat")
        world.cut.arm(None, phase)
        image_id = world.from_arrival_to_delivery(new_picture())
        world.cut.arm(at, phase)
        world.remove(image_id)
        tried += 1
        assert world.cut.name
        assert world.rows(image_id) == {}
        assert world.counted("Cat") == before
    with capsys.disabled():
        print(f"\ncut points of a removal tried: {tried}, recovered: {tried}")  # noqa: T201


def test_told_three_times_at_once_and_in_any_order_each_picture_is_asked_about_once(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.recognition._lease = timedelta(seconds=30)
    ids = [world.post(new_picture()) for _ in range(20)]
    told = ids * 3
    random.Random(7).shuffle(told)  # noqa: S311 - no secret

    def recognize(image_id: str) -> None:
        def try_it() -> bool:
            try:
                world.recognition.recognize(image_id, last_try=False)
            except RecognitionInProgress:
                return False
            return True

        wait_for(try_it, bool, SECONDS, "the claim of another")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(recognize, told))
    asked = [world.server.rekognition_calls[name, image_id] for name in ANSWERS for image_id in ids]
    assert asked == [1] * len(asked)
    for image_id in ids:
        assert set(world.rows(image_id)) == ALL_KEYS
    with capsys.disabled():
        print(  # noqa: T201 - the count is what the test is run for
            f"\n{len(told)} arrivals of {len(ids)} pictures: {sum(asked)} Rekognition calls, one "
            "for each picture and operation"
        )


def test_recognized_before_it_is_registered_an_image_gets_what_was_asked_and_no_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3's event may be quicker than the function that stored the object."""
    store = world.services.store
    put = store.put

    def put_and_recognize(image_id: str, *arguments: Any) -> bool:
        is_new = put(image_id, *arguments)
        world.recognition.recognize(image_id, last_try=False)
        return is_new

    monkeypatch.setattr(store, "put", put_and_recognize)
    image_id = world.services.intake.accept_content(new_picture(), (Feature.TEXT,)).image.id
    assert set(world.rows(image_id)) == {"IMAGE", "FEATURE#TEXT"}
    image = world.services.catalog.find(image_id)
    assert image is not None
    assert (image.status, image.content is None) == (Status.RECOGNIZED, False)
    asked = [world.server.rekognition_calls[name, image_id] for name in ANSWERS]
    assert asked == [0, 1]


def test_what_is_throttled_is_asked_once_and_left_for_later(world: World) -> None:
    """Waiting for the next second is the queue's work, not that of a function which is paid."""
    world.server.is_throttling = True
    image_id = world.post(new_picture())
    with pytest.raises(Throttled):
        world.recognition.recognize(image_id, last_try=False)
    assert [world.server.rekognition_calls[name, image_id] for name in ANSWERS] == [1, 1]
    assert "leased_until" not in world.rows(image_id)["IMAGE"]
    world.server.is_throttling = False
    world.recognition.recognize(image_id, last_try=False)
    assert set(world.rows(image_id)) == ALL_KEYS


def test_a_removal_that_overtakes_the_arrival_leaves_nothing(world: World) -> None:
    image_id = world.post(new_picture())
    world.remove(image_id)
    world.recognition.recognize(image_id, last_try=False)
    assert world.rows(image_id) == {}


def test_a_removal_while_it_is_recognized_drops_the_result(world: World) -> None:
    before = world.counted("Cat")
    image_id = world.post(new_picture())
    world.server.meanwhile = lambda: world.remove(image_id)
    world.recognition.recognize(image_id, last_try=False)
    assert world.rows(image_id) == {}
    assert world.counted("Cat") == before
