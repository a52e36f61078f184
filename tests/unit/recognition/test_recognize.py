from dataclasses import replace
from datetime import UTC, datetime

import pytest

from chalicelib.model.findings import Feature, Findings, RekognitionCall, Text
from chalicelib.model.image import Failure, Image, Status
from chalicelib.recognition.recognize import LEASE, ImageRecognition, RecognitionInProgress
from chalicelib.recognition.rekognition import ImageRefused, ObjectUnreadable, RekognitionResponse
from tests.helpers.fakes import (
    FakeCatalog,
    FakeLeases,
    FakeModelVersions,
    FakeRekognition,
    FakeResultsTopic,
    FakeStore,
)
from tests.helpers.images import CAT, IMAGE_ID, PENDING, RECOGNIZED, state

LABELS = RekognitionResponse(Findings(labels=(CAT,)), "3.0")
WORD = Text(0, "LINE", "STOP", 99.0, CAT.instances[0].bounding_box, ())
TEXT = RekognitionResponse(Findings(texts=(WORD,)), "3.1")
ASK_LABELS = RekognitionCall("DetectLabels", (Feature.LABELS,))


class World:
    """A stored, registered image and everything around its recognition."""

    def __init__(self, image: Image = PENDING, **answers: RekognitionResponse | Exception) -> None:
        self.store = FakeStore({IMAGE_ID})
        self.catalog = FakeCatalog({IMAGE_ID: image})
        usual: dict[str, RekognitionResponse | Exception] = {
            "DetectLabels": LABELS,
            "DetectText": TEXT,
        }
        self.rekognition = FakeRekognition(usual | answers)
        self.results = FakeResultsTopic()
        self.model_versions = FakeModelVersions()

    def recognize(self, *, last_try: bool = False) -> None:
        self.leases = FakeLeases(self.catalog)
        ImageRecognition(
            self.store,  # type: ignore[arg-type]  # works in memory
            self.rekognition,  # type: ignore[arg-type]
            self.catalog,  # type: ignore[arg-type]
            self.leases,  # type: ignore[arg-type]
            self.results,  # type: ignore[arg-type]
            self.model_versions,  # type: ignore[arg-type]
        ).recognize(IMAGE_ID, last_try=last_try)

    @property
    def image(self) -> Image:
        return self.catalog.images[IMAGE_ID]

    def status_of(self, feature: Feature) -> Status:
        return next(each.status for each in self.image.features if each.name is feature)


def asked(*features: Feature) -> Image:
    """A stored image of which these features are to be recognized."""
    return replace(PENDING, features=tuple(state(each, Status.PENDING) for each in features))


def test_a_stored_image_is_recognized_and_told() -> None:
    world = World()
    world.recognize()
    assert world.image.status is Status.RECOGNIZED
    assert world.image.findings.labels == (CAT,)
    assert world.image.features[0].model_version == "3.0"
    assert [label.name for image in world.results.told for label in image.labels] == ["Cat"]
    assert world.results.deliveries == [1]
    assert world.model_versions.noted == {Feature.LABELS: "3.0"}


def test_an_image_that_nobody_registered_is_recognized_too() -> None:
    world = World()
    world.catalog = FakeCatalog()
    world.recognize()
    assert world.image.status is Status.RECOGNIZED


def test_a_message_that_comes_twice_costs_one_call_of_rekognition() -> None:
    world = World()
    world.recognize()
    world.recognize()
    assert world.rekognition.calls == [ASK_LABELS]
    assert {image.recognized_at for image in world.results.told} == {world.image.recognized_at}


def test_labels_and_properties_share_one_call() -> None:
    world = World(asked(Feature.LABELS, Feature.PROPERTIES, Feature.TEXT))
    world.recognize()
    assert world.rekognition.calls == [
        RekognitionCall("DetectLabels", (Feature.LABELS, Feature.PROPERTIES)),
        RekognitionCall("DetectText", (Feature.TEXT,)),
    ]
    assert world.image.pending == ()


def test_a_feature_that_fails_leaves_the_others_standing() -> None:
    failure = Failure("NotImplementedException", "There is no model for it.")
    world = World(asked(Feature.LABELS, Feature.TEXT), DetectText=ImageRefused(failure))
    world.recognize()
    assert (world.image.status, world.image.failure) == (Status.RECOGNIZED, None)
    assert world.image.findings.labels == (CAT,)
    assert world.status_of(Feature.TEXT) is Status.FAILED
    assert world.image.features[1].failure == failure


def test_what_was_recognized_is_kept_and_not_paid_again_while_the_rest_may_pass() -> None:
    world = World(asked(Feature.LABELS, Feature.TEXT), DetectText=ConnectionError("throttled"))
    with pytest.raises(ConnectionError):
        world.recognize()
    assert world.status_of(Feature.LABELS) is Status.RECOGNIZED
    assert (world.image.status, world.image.pending) == (Status.PENDING, (Feature.TEXT,))
    assert world.results.told == []
    world.rekognition.answers["DetectText"] = TEXT
    world.recognize()
    assert [each.operation for each in world.rekognition.calls] == [
        "DetectLabels",
        "DetectText",
        "DetectText",
    ]
    assert world.image.findings == Findings(labels=(CAT,), texts=(WORD,))
    assert len(world.results.told) == 1


def test_a_feature_that_is_asked_later_is_told_as_a_result_of_its_own() -> None:
    later = replace(
        RECOGNIZED,
        features=(*RECOGNIZED.features, state(Feature.TEXT, Status.PENDING)),
        result_delivery=2,
    )
    world = World(later)
    world.recognize()
    assert [each.operation for each in world.rekognition.calls] == ["DetectText"]
    assert world.results.deliveries == [2]
    assert world.image.findings.labels == RECOGNIZED.findings.labels
    assert [delivery.number for delivery in world.image.deliveries] == [1, 2]


def test_a_crash_before_the_result_was_told_is_made_good_by_the_next_delivery() -> None:
    world = World()
    world.results.failures = 1
    with pytest.raises(ConnectionError):
        world.recognize()
    world.recognize()
    assert world.rekognition.calls == [ASK_LABELS]
    assert len(world.results.told) == 1


def test_two_at_once_make_one_call_and_the_other_comes_back_later() -> None:
    world = World()
    FakeLeases(world.catalog).lease(IMAGE_ID, datetime.now(UTC), LEASE)
    with pytest.raises(RecognitionInProgress):
        world.recognize()
    assert world.rekognition.calls == []


def test_what_rekognition_will_never_take_is_a_failure_with_its_reason_at_once() -> None:
    failure = Failure("InvalidImageFormatException", "Not an image.")
    world = World(DetectLabels=ImageRefused(failure))
    world.recognize()
    assert (world.image.status, world.image.failure) == (Status.FAILED, failure)
    assert world.results.told[0].failure == failure


def test_what_may_pass_is_tried_again_without_waiting_for_the_lease() -> None:
    world = World(DetectLabels=ConnectionError("throttled"))
    with pytest.raises(ConnectionError):
        world.recognize()
    assert world.catalog.images[IMAGE_ID].status is Status.PENDING
    world.rekognition.answers["DetectLabels"] = LABELS
    world.recognize()
    assert world.image.status is Status.RECOGNIZED


def test_at_the_last_try_what_may_pass_is_a_failure_too_and_the_message_is_not_done() -> None:
    world = World(DetectLabels=ConnectionError("throttled"))
    with pytest.raises(ConnectionError):
        world.recognize(last_try=True)
    assert world.image.failure == Failure("ConnectionError", "throttled")


def test_a_late_arrival_does_not_bring_back_what_was_removed() -> None:
    world = World(DetectLabels=ObjectUnreadable("no such object"))
    world.store.stored.clear()
    world.catalog = FakeCatalog()
    world.recognize()
    assert world.catalog.images == {}
    assert world.results.told == []


def test_an_object_that_may_not_be_read_is_the_operators_error_and_is_tried_again() -> None:
    world = World(DetectLabels=ObjectUnreadable("access denied"))
    with pytest.raises(ObjectUnreadable):
        world.recognize()
    assert world.image.status is Status.PENDING


def test_a_result_of_an_image_that_was_removed_meanwhile_is_dropped() -> None:
    world = World()

    def remove_then_answer(question: RekognitionCall, key: str) -> RekognitionResponse:
        world.catalog.forget(world.catalog.snapshot(IMAGE_ID))
        return LABELS

    world.rekognition.ask = remove_then_answer  # type: ignore[method-assign]
    world.recognize()
    assert world.catalog.images == {}
    assert world.results.told == []
