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


def probabilities_of(classes: dict[int, float] | None = None) -> Probabilities:
    probabilities = np.zeros(1000, np.float32)
    for number, probability in (classes or {}).items():
        probabilities[number] = probability
    return probabilities


def box_of(label: str, score: float, crop: dict[int, float] | None = None) -> SeenObject:
    return SeenObject(label, score, BOX, probabilities_of(crop))


def fused(
    whole: dict[int, float] | None = None,
    *objects: SeenObject,
    middle: dict[int, float] | None = None,
) -> dict[str, Label]:
    labels = fuse(probabilities_of(whole), probabilities_of(middle), objects, TAXONOMY)
    return {label.name: label for label in labels}


def test_several_unlikely_breeds_add_up_to_a_confident_dog() -> None:
    labels = fused({BEAGLE: 0.25, BASSET: 0.2, GOLDEN_RETRIEVER: 0.2, PUG: 0.15})
    assert labels["Dog"].confidence > 95
    assert labels["Hound"].confidence < 80
    assert labels["Beagle"].confidence < 55


def test_a_label_is_never_more_confident_than_its_ancestors() -> None:
    whole = dict.fromkeys(range(0, 990, 33), 0.03)
    labels = fused(whole, box_of("Car", 0.9, {STATION_WAGON: 0.5}))
    for name, label in labels.items():
        for ancestor in TAXONOMY.labels[name].ancestors:
            assert labels[ancestor].confidence >= label.confidence


def test_labels_are_sorted_by_confidence() -> None:
    labels = fuse(probabilities_of({BEAGLE: 0.5, DAISY: 0.3}), probabilities_of(), [], TAXONOMY)
    confidences = [label.confidence for label in labels]
    assert confidences == sorted(confidences, reverse=True)


def test_noise_over_many_classes_is_no_evidence() -> None:
    labels = fused(dict.fromkeys(range(400), 0.0024))
    assert labels == {}
    labels = fused(dict.fromkeys(range(0, 400, 10), 0.02))
    assert labels["Animal"].confidence < 30


def test_classes_seen_in_images_of_nothing_count_less() -> None:
    assert fused({SUNGLASSES: 0.5})["Sunglasses"].confidence > 70
    assert fused({ENVELOPE: 0.5})["Envelope"].confidence < 55


def test_the_classifier_confirms_a_box() -> None:
    car = fused({}, box_of("Car", 0.7, {STATION_WAGON: 0.5}))["Car"]
    assert car.confidence > 80
    assert [instance.box for instance in car.instances] == [BOX]


def test_an_unconfirmed_box_stays_below_70() -> None:
    labels = fused({}, box_of("Car", 0.95, {STATION_WAGON: 0.05}))
    assert 55 < labels["Car"].confidence < 70


def test_a_box_that_the_classifier_contradicts_stays_below_the_default() -> None:
    labels = fused({PALACE: 0.3}, box_of("Boat", 0.95, {PALACE: 0.4, BELL_TOWER: 0.2}))
    assert labels["Boat"].confidence < 55
    assert labels["Building"].confidence > 55


def test_the_classifier_corrects_the_detector() -> None:
    labels = fused({}, box_of("Bird", 0.94, {SQUIRREL: 0.85}))
    assert labels["Squirrel"].confidence > 85
    assert labels["Bird"].confidence < 55
    assert labels["Animal"].confidence > 85


def test_a_category_confirms_a_class_that_the_classifier_lacks() -> None:
    assert fused({}, box_of("Giraffe", 0.8, {GAZELLE: 0.7}))["Giraffe"].confidence > 80
    assert fused({}, box_of("Giraffe", 0.8, {PALACE: 0.7}))["Giraffe"].confidence < 55


def test_a_confirmed_object_raises_the_confidence_of_its_neighbors() -> None:
    confirmed, other = box_of("Cup", 0.7, {COFFEE_MUG: 0.6}), box_of("Cup", 0.75, {})
    confidences = [instance.confidence for instance in fused({}, confirmed, other)["Cup"].instances]
    assert len(confidences) == 2
    assert min(confidences) > 70
    assert max(instance.confidence for instance in fused({}, other)["Cup"].instances) < 55


def test_people_need_no_confirmation() -> None:
    person = SeenObject("Person", 0.8, BOX, None)
    assert fused({}, person)["Person"].confidence > 80


def test_the_ancestors_of_a_boxed_label_have_no_boxes() -> None:
    labels = fused({}, box_of("Car", 0.9, {STATION_WAGON: 0.5}))
    assert labels["Vehicle"].confidence == labels["Car"].confidence
    assert labels["Transportation"].instances == ()


def test_the_center_confirms_weak_evidence_in_the_whole_image() -> None:
    assert fused({DAISY: 0.15})["Daisy"].confidence < 20
    assert fused({DAISY: 0.15}, middle={DAISY: 0.7})["Flower"].confidence > 90


def test_the_center_alone_is_no_evidence() -> None:
    labels = fused({DAISY: 0.05}, middle={DAISY: 0.9, PUG: 0.9})
    assert labels["Daisy"].confidence < 20
    assert "Pug" not in labels


def test_without_evidence_there_is_no_label() -> None:
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
