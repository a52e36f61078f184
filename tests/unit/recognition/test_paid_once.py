"""What Rekognition has answered is never asked for again because of DynamoDB or SNS."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.aws import dynamodb_table
from chalicelib.catalog.forget import ImageRemoval
from chalicelib.model.findings import Feature, Findings, RekognitionCall
from chalicelib.model.image import Image, Status
from chalicelib.recognition.recognize import ImageRecognition
from chalicelib.recognition.rekognition import RekognitionResponse
from tests.helpers.aws_faults import (
    CONFLICT,
    THROTTLED,
    client_error,
    failing,
    lost_response,
    transaction_cancelled,
)
from tests.helpers.fakes import FakeRekognition, FakeResultsTopic
from tests.helpers.images import CAT, IMAGE_ID, PENDING, state
from tests.helpers.memory import MemoryCatalog

LABELS = RekognitionResponse(Findings(labels=(CAT,)), "3.0")
BOTH = RekognitionCall("DetectLabels", (Feature.LABELS, Feature.PROPERTIES))


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamodb_table, "_pause", lambda attempt: None)


class World:
    """A stored image, and the invocations that recognize it."""

    def __init__(self, memory: MemoryCatalog, image: Image = PENDING) -> None:
        self.memory = memory
        memory.put_object(IMAGE_ID)
        memory.write(image)
        self.rekognition = FakeRekognition({"DetectLabels": LABELS})
        self.results = FakeResultsTopic()
        self.dynamodb: Any = memory.table._client

    def recognize(self, *, last_attempt: bool = False) -> None:
        ImageRecognition(
            self.rekognition,  # type: ignore[arg-type]  # a fake
            self.memory.catalog,
            ImageRemoval(self.memory.store, self.memory.catalog),
            self.memory.leases,
            self.results,  # type: ignore[arg-type]
            lease_duration=timedelta(seconds=75),
        ).recognize(IMAGE_ID, last_attempt=last_attempt)

    def assert_recognized_once(self) -> None:
        image = self.memory.catalog.get(IMAGE_ID)
        assert (image.status, image.findings.labels) == (Status.RECOGNIZED, (CAT,))
        assert len(self.rekognition.calls) == 1
        assert len(self.results.published) == 1


@pytest.fixture
def world(memory: MemoryCatalog) -> World:
    return World(memory)


PUT_ERRORS: dict[str, Callable[[], Exception]] = {
    "throttled": lambda: client_error("PutItem", "ThrottlingException"),
    "over capacity": lambda: client_error("PutItem", "ProvisionedThroughputExceededException"),
    "conflict": lambda: client_error("PutItem", "TransactionConflictException"),
    "internal error": lambda: client_error("PutItem", "InternalServerError", 500),
    "no response": lost_response,
}
TRANSACTION_ERRORS: dict[str, Callable[[], Exception]] = {
    "throttled": lambda: transaction_cancelled(THROTTLED, "None"),
    "conflict": lambda: transaction_cancelled("None", CONFLICT),
    "in progress": lambda: client_error("TransactWriteItems", "TransactionInProgressException"),
    "over capacity": lambda: transaction_cancelled("ProvisionedThroughputExceeded", "None"),
    "no response": lost_response,
}


@pytest.mark.parametrize("times", [1, 2, 9])
@pytest.mark.parametrize("fault", PUT_ERRORS)
def test_an_answer_is_kept_although_dynamodb_refuses_its_item_at_first(
    world: World, fault: str, times: int
) -> None:
    with failing(world.dynamodb, "PutItem", *(PUT_ERRORS[fault]() for _ in range(times))):
        world.recognize()
    world.assert_recognized_once()


@pytest.mark.parametrize("times", [1, 2, 9])
@pytest.mark.parametrize("fault", PUT_ERRORS)
@pytest.mark.parametrize("sort_key", ["DELIVERY#000001", "IMAGE"])
def test_a_result_is_written_although_dynamodb_refuses_its_items_at_first(
    world: World, fault: str, times: int, sort_key: str
) -> None:
    errors = (PUT_ERRORS[fault]() for _ in range(times))
    with failing(world.dynamodb, "PutItem", *errors, sort_key=sort_key):
        world.recognize()
    world.assert_recognized_once()


def test_a_result_whose_response_is_lost_is_published_once(world: World) -> None:
    lost = lost_response()
    with failing(world.dynamodb, "PutItem", lost, after_success=True, sort_key="IMAGE"):
        world.recognize()
    world.assert_recognized_once()


@pytest.mark.parametrize("fault", PUT_ERRORS)
def test_if_the_row_cannot_be_written_at_all_the_next_attempt_finds_what_is_paid_for(
    world: World, fault: str
) -> None:
    errors = [PUT_ERRORS[fault]() for _ in range(10)]
    with (
        failing(world.dynamodb, "PutItem", *errors, sort_key="IMAGE"),
        pytest.raises(type(errors[0]) if fault == "no response" else ClientError),
    ):
        world.recognize()
    image = world.memory.catalog.get(IMAGE_ID)
    assert (image.status, image.deliveries) == (Status.PENDING, ())
    world.recognize()
    world.assert_recognized_once()


@pytest.mark.parametrize("times", [1, 2, 9])
@pytest.mark.parametrize("fault", TRANSACTION_ERRORS)
def test_features_that_share_a_call_are_kept_together_or_not_at_all(
    memory: MemoryCatalog, fault: str, times: int
) -> None:
    features = tuple(state(each, Status.PENDING) for each in BOTH.features)
    world = World(memory, Image(IMAGE_ID, Status.PENDING, PENDING.created_at, features=features))
    errors = [TRANSACTION_ERRORS[fault]() for _ in range(times)]
    with failing(world.dynamodb, "TransactWriteItems", *errors) as calls:
        world.recognize()
    assert [len(call["TransactItems"]) for call in calls] == [2] * (times + 1)
    # A repetition has no second effect.
    assert len({call["ClientRequestToken"] for call in calls}) == 1
    world.assert_recognized_once()


def test_a_result_that_cannot_be_published_is_published_by_the_next_attempt(world: World) -> None:
    world.results.failures = 1
    with pytest.raises(ConnectionError):
        world.recognize()
    world.recognize()
    world.assert_recognized_once()


def test_a_lease_whose_response_is_lost_is_held_nevertheless(world: World) -> None:
    with failing(world.dynamodb, "UpdateItem", lost_response(), after_success=True):
        world.recognize()
    world.assert_recognized_once()


def test_results_of_two_images_write_no_item_in_common(memory: MemoryCatalog) -> None:
    """Everything that recognition writes is in the image's own partition."""
    world = World(memory)
    written: list[dict[str, Any]] = []
    with (
        failing(world.dynamodb, "PutItem") as puts,
        failing(world.dynamodb, "UpdateItem") as updates,
        failing(world.dynamodb, "TransactWriteItems") as transactions,
        failing(world.dynamodb, "BatchWriteItem") as batches,
    ):
        world.recognize()
    written += [put["Item"] for put in puts] + [update["Key"] for update in updates]
    for transaction in transactions:
        for action in transaction["TransactItems"]:
            ((_, request),) = action.items()
            written.append(request.get("Item") or request["Key"])
    assert written
    assert batches == []
    assert {each["pk"]["S"] for each in written} == {f"IMAGE#{IMAGE_ID}"}


def test_an_answer_is_kept_although_it_cannot_be_read_who_asked(world: World) -> None:
    with failing(world.dynamodb, "GetItem", client_error("GetItem", "ThrottlingException")):
        world.recognize()
    world.assert_recognized_once()
