from dataclasses import replace
from datetime import UTC, datetime

import pytest

from chalicelib.catalog.forget import ImageRemoval
from chalicelib.model.findings import Feature, Findings, RekognitionCall, Text
from chalicelib.model.image import DeliveryStatus, Failure, Image, Status
from chalicelib.recognition.recognize import (
    LEASE_DURATION,
    ImageRecognition,
    RecognitionInProgress,
)
from chalicelib.recognition.rekognition import (
    ImageRefused,
    ObjectUnreadable,
    RekognitionResponse,
)
from tests.helpers.fakes import FakeRekognition, FakeResultsTopic
from tests.helpers.images import CAT, IMAGE_ID, PENDING, RECOGNIZED, state
from tests.helpers.memory import MemoryCatalog

LABELS = RekognitionResponse(Findings(labels=(CAT,)), "3.0")
WORD = Text(0, "LINE", "STOP", 99.0, CAT.instances[0].bounding_box, ())
TEXT = RekognitionResponse(Findings(texts=(WORD,)), "3.1")
DETECT_LABELS = RekognitionCall("DetectLabels", (Feature.LABELS,))


class World:
    """A stored and registered image, and what its recognition works with."""

    def __init__(
        self,
        memory: MemoryCatalog,
        image: Image | None = PENDING,
        **responses: RekognitionResponse | Exception,
    ) -> None:
        self.memory = memory
        self.catalog = memory.catalog
        memory.put_object(IMAGE_ID)
        if image:
            memory.write(image)
        defaults: dict[str, RekognitionResponse | Exception] = {
            "DetectLabels": LABELS,
            "DetectText": TEXT,
        }
        self.rekognition = FakeRekognition(defaults | responses)
        self.results = FakeResultsTopic()

    def recognize(self, *, last_attempt: bool = False) -> None:
        ImageRecognition(
            self.rekognition,  # type: ignore[arg-type]  # a fake
            self.catalog,
            ImageRemoval(self.memory.store, self.catalog),
            self.memory.leases,
            self.results,  # type: ignore[arg-type]
        ).recognize(IMAGE_ID, last_attempt=last_attempt)

    @property
    def image(self) -> Image:
        return self.catalog.get(IMAGE_ID)

    def status_of(self, feature: Feature) -> Status:
        return next(each.status for each in self.image.features if each.name is feature)


def pending(*features: Feature) -> Image:
    """A stored image whose only features are these, all PENDING."""
    return replace(PENDING, features=tuple(state(each, Status.PENDING) for each in features))


def test_a_stored_image_is_recognized_and_its_result_published(memory: MemoryCatalog) -> None:
    world = World(memory)
    world.recognize()
    assert world.image.status is Status.RECOGNIZED
    assert world.image.findings.labels == (CAT,)
    assert world.image.features[0].model_version == "3.0"
    assert [label.name for image in world.results.published for label in image.labels] == ["Cat"]
    assert world.results.deliveries == [1]


def test_an_image_that_is_not_registered_is_recognized_too(memory: MemoryCatalog) -> None:
    world = World(memory, None)
    world.recognize()
    assert world.image.status is Status.RECOGNIZED


def test_a_repeated_message_publishes_the_result_again_without_another_rekognition_call(
    memory: MemoryCatalog,
) -> None:
    world = World(memory)
    world.recognize()
    world.recognize()
    assert world.rekognition.calls == [DETECT_LABELS]
    assert {image.recognized_at for image in world.results.published} == {world.image.recognized_at}


def test_labels_and_properties_share_one_call(memory: MemoryCatalog) -> None:
    world = World(memory, pending(Feature.LABELS, Feature.PROPERTIES, Feature.TEXT))
    world.recognize()
    assert world.rekognition.calls == [
        RekognitionCall("DetectLabels", (Feature.LABELS, Feature.PROPERTIES)),
        RekognitionCall("DetectText", (Feature.TEXT,)),
    ]
    assert world.image.pending == ()


def test_a_feature_that_fails_does_not_affect_the_others(memory: MemoryCatalog) -> None:
    failure = Failure("NotImplementedException", "There is no model for it.")
    world = World(memory, pending(Feature.LABELS, Feature.TEXT), DetectText=ImageRefused(failure))
    world.recognize()
    assert (world.image.status, world.image.failure) == (Status.RECOGNIZED, None)
    assert world.image.findings.labels == (CAT,)
    assert world.status_of(Feature.TEXT) is Status.FAILED
    assert world.image.features[1].failure == failure


def test_recognized_features_are_written_and_not_paid_again_when_others_are_retried(
    memory: MemoryCatalog,
) -> None:
    world = World(
        memory, pending(Feature.LABELS, Feature.TEXT), DetectText=ConnectionError("throttled")
    )
    with pytest.raises(ConnectionError):
        world.recognize()
    assert world.status_of(Feature.LABELS) is Status.RECOGNIZED
    assert (world.image.status, world.image.pending) == (Status.PENDING, (Feature.TEXT,))
    assert world.results.published == []
    world.rekognition.responses["DetectText"] = TEXT
    world.recognize()
    assert [each.operation for each in world.rekognition.calls] == [
        "DetectLabels",
        "DetectText",
        "DetectText",
    ]
    assert world.image.findings == Findings(labels=(CAT,), texts=(WORD,))
    assert len(world.results.published) == 1


def test_a_feature_requested_later_is_published_as_a_result_of_its_own(
    memory: MemoryCatalog,
) -> None:
    later = replace(
        RECOGNIZED,
        features=(*RECOGNIZED.features, state(Feature.TEXT, Status.PENDING)),
        result_delivery=2,
        last_delivery=2,
    )
    world = World(memory, later)
    world.recognize()
    assert [each.operation for each in world.rekognition.calls] == ["DetectText"]
    assert world.results.deliveries == [2]
    assert world.image.findings.labels == RECOGNIZED.findings.labels
    assert [delivery.number for delivery in world.image.deliveries] == [1, 2]


def test_after_a_crash_before_publishing_the_repeated_message_publishes_the_result(
    memory: MemoryCatalog,
) -> None:
    world = World(memory)
    world.results.failures = 1
    with pytest.raises(ConnectionError):
        world.recognize()
    world.recognize()
    assert world.rekognition.calls == [DETECT_LABELS]
    assert len(world.results.published) == 1


def test_an_image_under_lease_is_not_sent_to_rekognition_and_is_retried_later(
    memory: MemoryCatalog,
) -> None:
    world = World(memory)
    memory.leases.acquire(IMAGE_ID, datetime.now(UTC), LEASE_DURATION)
    with pytest.raises(RecognitionInProgress):
        world.recognize()
    assert world.rekognition.calls == []


def test_an_image_that_rekognition_refuses_fails_at_once_with_the_reason(
    memory: MemoryCatalog,
) -> None:
    failure = Failure("InvalidImageFormatException", "Not an image.")
    world = World(memory, DetectLabels=ImageRefused(failure))
    world.recognize()
    assert (world.image.status, world.image.failure) == (Status.FAILED, failure)
    assert world.results.published[0].failure == failure


def test_a_temporary_error_releases_the_lease_for_the_next_attempt(memory: MemoryCatalog) -> None:
    world = World(memory, DetectLabels=ConnectionError("throttled"))
    with pytest.raises(ConnectionError):
        world.recognize()
    assert world.status_of(Feature.LABELS) is Status.PENDING
    world.rekognition.responses["DetectLabels"] = LABELS
    world.recognize()
    assert world.image.status is Status.RECOGNIZED


def test_on_the_last_attempt_a_temporary_error_is_recorded_and_still_raised(
    memory: MemoryCatalog,
) -> None:
    world = World(memory, DetectLabels=ConnectionError("throttled"))
    with pytest.raises(ConnectionError):
        world.recognize(last_attempt=True)
    assert world.image.failure is not None
    assert world.image.failure.code == "RekognitionUnavailable"


def test_a_late_message_does_not_bring_back_a_removed_image(memory: MemoryCatalog) -> None:
    world = World(memory, None, DetectLabels=ObjectUnreadable("no such object"))
    memory.store.delete(IMAGE_ID)
    world.recognize()
    assert world.catalog.find(IMAGE_ID) is None
    assert world.results.published == []


def test_a_stored_object_that_cannot_be_read_is_retried(memory: MemoryCatalog) -> None:
    world = World(memory, DetectLabels=ObjectUnreadable("access denied"))
    with pytest.raises(ObjectUnreadable):
        world.recognize()
    assert world.image.status is Status.PENDING


def test_the_result_of_an_image_removed_during_recognition_is_dropped(
    memory: MemoryCatalog,
) -> None:
    world = World(memory)

    def remove_then_respond(call: RekognitionCall, key: str) -> RekognitionResponse:
        world.catalog.forget(world.catalog.snapshot(IMAGE_ID))
        return LABELS

    world.rekognition.detect = remove_then_respond  # type: ignore[method-assign]
    world.recognize()
    assert world.catalog.find(IMAGE_ID) is None
    assert world.results.published == []


def test_another_message_recognizes_what_failed_for_a_temporary_reason(
    memory: MemoryCatalog,
) -> None:
    """A redriven dead letter is such a message."""
    world = World(memory, DetectLabels=ConnectionError("unreachable"))
    with pytest.raises(ConnectionError):
        world.recognize(last_attempt=True)
    assert world.image.status is Status.FAILED
    world.rekognition.responses["DetectLabels"] = LABELS
    world.recognize()
    assert (world.image.status, world.image.failure) == (Status.RECOGNIZED, None)
    assert world.results.deliveries == [1, 2]
    assert [each.status for each in world.image.deliveries][-1] is DeliveryStatus.PENDING


def test_another_message_only_publishes_again_what_failed_for_good(memory: MemoryCatalog) -> None:
    failure = Failure("InvalidImageFormatException", "Not an image.")
    world = World(memory, DetectLabels=ImageRefused(failure))
    world.recognize()
    world.recognize()
    assert world.rekognition.calls == [DETECT_LABELS]
    assert world.results.deliveries == [1, 1]


def test_a_removal_while_the_missing_object_is_noticed_leaves_an_image_that_is_posted_again(
    memory: MemoryCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(memory, DetectLabels=ObjectUnreadable("no such object"))
    memory.store.delete(IMAGE_ID)
    exists = memory.store.exists

    def check_then_post_again(image_id: str) -> bool:
        answer = exists(image_id)
        is_new = memory.store.put(IMAGE_ID, b"content", "image/png", [Feature.LABELS])
        memory.catalog.register(PENDING, is_stored_anew=is_new)
        return answer

    monkeypatch.setattr(memory.store, "exists", check_then_post_again)
    with pytest.raises(ObjectUnreadable):
        world.recognize()
    assert world.image.status is Status.PENDING
