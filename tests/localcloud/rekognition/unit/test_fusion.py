from collections.abc import Callable

import numpy as np
import pytest

from localcloud.rekognition.classifier import Probabilities
from localcloud.rekognition.detector import Box
from localcloud.rekognition.fusion import (
    Label,
    SeenObject,
    classifier_confidence,
    fuse,
    object_confidence,
    person_confidence,
)
from localcloud.rekognition.taxonomy import Taxonomy

TAXONOMY = Taxonomy.load()
BOX = Box(0.1, 0.2, 0.6, 0.9)

BEAGLE, BASSET, GOLDEN_RETRIEVER, PUG = 162, 161, 207, 254
SQUIRREL, PALACE, BELL_TOWER, STATION_WAGON, COFFEE_MUG = 335, 698, 442, 436, 504
GAZELLE, ENVELOPE, SUNGLASSES, DAISY = 353, 549, 837, 985


def seen_by_classifier(classes: dict[int, float] | None = None) -> Probabilities:
    probabilities = np.zeros(1000, np.float32)
    for number, probability in (classes or {}).items():
        probabilities[number] = probability
    return probabilities


def box_of(label: str, score: float, crop: dict[int, float] | None = None) -> SeenObject:
    return SeenObject(label, score, BOX, seen_by_classifier(crop))


def fused(
    whole: dict[int, float] | None = None,
    *objects: SeenObject,
    middle: dict[int, float] | None = None,
) -> dict[str, Label]:
    labels = fuse(seen_by_classifier(whole), seen_by_classifier(middle), objects, TAXONOMY)
    return {label.name: label for label in labels}


def test_ten_unsure_breeds_are_a_sure_dog() -> None:
    labels = fused({BEAGLE: 0.25, BASSET: 0.2, GOLDEN_RETRIEVER: 0.2, PUG: 0.15})
    assert labels["Dog"].confidence > 95
    assert labels["Hound"].confidence < 80
    assert labels["Beagle"].confidence < 55


def test_a_label_is_never_surer_than_its_ancestors() -> None:
    whole = dict.fromkeys(range(0, 990, 33), 0.03)
    labels = fused(whole, box_of("Car", 0.9, {STATION_WAGON: 0.5}))
    for name, label in labels.items():
        for ancestor in TAXONOMY.labels[name].ancestors:
            assert labels[ancestor].confidence >= label.confidence


def test_the_most_confident_comes_first() -> None:
    labels = fuse(seen_by_classifier({BEAGLE: 0.5, DAISY: 0.3}), seen_by_classifier(), [], TAXONOMY)
    confidences = [label.confidence for label in labels]
    assert confidences == sorted(confidences, reverse=True)


def test_much_noise_is_no_evidence() -> None:
    labels = fused(dict.fromkeys(range(400), 0.0024))
    assert labels == {}
    labels = fused(dict.fromkeys(range(0, 400, 10), 0.02))
    assert labels["Animal"].confidence < 30


def test_what_is_seen_in_pictures_of_nothing_counts_less() -> None:
    assert fused({SUNGLASSES: 0.5})["Sunglasses"].confidence > 70
    assert fused({ENVELOPE: 0.5})["Envelope"].confidence < 55


def test_a_box_is_confirmed_by_what_the_classifier_sees_in_it() -> None:
    car = fused({}, box_of("Car", 0.7, {STATION_WAGON: 0.5}))["Car"]
    assert car.confidence > 80
    assert [instance.box for instance in car.instances] == [BOX]


def test_a_box_that_the_classifier_does_not_confirm_stays_under_70() -> None:
    labels = fused({}, box_of("Car", 0.95, {STATION_WAGON: 0.05}))
    assert 55 < labels["Car"].confidence < 70


def test_a_box_on_which_the_classifier_sees_something_else_stays_under_the_default() -> None:
    labels = fused({PALACE: 0.3}, box_of("Boat", 0.95, {PALACE: 0.4, BELL_TOWER: 0.2}))
    assert labels["Boat"].confidence < 55
    assert labels["Building"].confidence > 55


def test_the_classifier_names_what_the_detector_took_for_something_else() -> None:
    labels = fused({}, box_of("Bird", 0.94, {SQUIRREL: 0.85}))
    assert labels["Squirrel"].confidence > 85
    assert labels["Bird"].confidence < 55
    assert labels["Animal"].confidence > 85


def test_a_class_that_the_classifier_lacks_is_confirmed_by_its_category() -> None:
    assert fused({}, box_of("Giraffe", 0.8, {GAZELLE: 0.7}))["Giraffe"].confidence > 80
    assert fused({}, box_of("Giraffe", 0.8, {PALACE: 0.7}))["Giraffe"].confidence < 55


def test_one_confirmed_object_makes_its_neighbors_believable() -> None:
    confirmed, other = box_of("Cup", 0.7, {COFFEE_MUG: 0.6}), box_of("Cup", 0.75, {})
    confidences = [instance.confidence for instance in fused({}, confirmed, other)["Cup"].instances]
    assert len(confidences) == 2
    assert min(confidences) > 70
    assert max(instance.confidence for instance in fused({}, other)["Cup"].instances) < 55


def test_people_need_no_confirmation() -> None:
    person = SeenObject("Person", 0.8, BOX, None)
    assert fused({}, person)["Person"].confidence > 80


def test_the_ancestors_of_a_box_are_labels_without_boxes() -> None:
    labels = fused({}, box_of("Car", 0.9, {STATION_WAGON: 0.5}))
    assert labels["Vehicle"].confidence == labels["Car"].confidence
    assert labels["Transportation"].instances == ()


def test_the_middle_makes_clear_what_the_whole_picture_hints_at() -> None:
    assert fused({DAISY: 0.15})["Daisy"].confidence < 20
    assert fused({DAISY: 0.15}, middle={DAISY: 0.7})["Flower"].confidence > 90


def test_the_middle_alone_is_no_evidence() -> None:
    labels = fused({DAISY: 0.05}, middle={DAISY: 0.9, PUG: 0.9})
    assert labels["Daisy"].confidence < 20
    assert "Pug" not in labels


def test_nothing_seen_is_no_label() -> None:
    assert fused() == {}


@pytest.mark.parametrize("confidence", [classifier_confidence, person_confidence])
def test_confidences_grow_with_the_score_and_stay_within_0_and_100(
    confidence: Callable[[float], float],
) -> None:
    values = [confidence(score) for score in (0, 0.1, 0.3, 0.5, 0.7, 0.9, 1)]
    assert values == sorted(values)
    assert values[0] >= 0
    assert values[-1] <= 100


def test_the_classifiers_calibration_goes_through_its_documented_points() -> None:
    assert classifier_confidence(0.5) == pytest.approx(80, abs=0.1)
    assert classifier_confidence(0.85) == pytest.approx(99, abs=0.1)


def test_object_confidences_stay_within_100() -> None:
    assert object_confidence(1.0, 1.0) <= 100
    assert object_confidence(1.0, 0.0) < 55
