from collections.abc import Sequence
from typing import cast

import numpy as np

from localcloud.rekognition.classifier import Classifier, Probabilities
from localcloud.rekognition.detector import Box, Detection, Detector
from localcloud.rekognition.fusion import Label
from localcloud.rekognition.images import DecodedImage, Pixels
from localcloud.rekognition.labels import MAX_CROPS, LabelRecognizer, middle, whole_views
from localcloud.rekognition.taxonomy import Taxonomy
from tests.helpers.rekognition.images import image_of

PERSON, CAR, DOG = 1, 3, 18
STATION_WAGON, PUG = 436, 254
WHOLE_AND_MIDDLE = 6


class FakeDetector:
    def __init__(self, detections: list[Detection]) -> None:
        self.detections = detections

    def detect(self, image: DecodedImage) -> list[Detection]:
        return self.detections


class FakeClassifier:
    """Classifies red views as station wagons and blue ones as pugs."""

    def __init__(self) -> None:
        self.views: Sequence[Pixels] = ()

    def classify(self, views: Sequence[Pixels]) -> Probabilities:
        self.views = views
        probabilities = np.zeros((len(views), 1000), np.float32)
        for row, view in zip(probabilities, views, strict=True):
            red, _green, blue = view.reshape(-1, 3).mean(axis=0)
            row[STATION_WAGON] = 0.9 if red > 200 else 0
            row[PUG] = 0.9 if blue > 200 else 0
        return probabilities


def recognized(
    image: DecodedImage, *detections: Detection
) -> tuple[dict[str, Label], Sequence[Pixels]]:
    classifier = FakeClassifier()
    recognizer = LabelRecognizer(
        cast(Detector, FakeDetector(list(detections))),
        cast(Classifier, classifier),
        Taxonomy.load(),
    )
    labels = {label.name: label for label in recognizer.recognize(image)}
    return labels, classifier.views[WHOLE_AND_MIDDLE:]


def red_car_and_blue_dog() -> DecodedImage:
    pixels = image_of((0, 0, 0), 400, 100).pixels
    pixels[:, :100] = (255, 0, 0)
    pixels[:, 300:] = (0, 0, 255)
    return DecodedImage(pixels)


def test_each_box_is_classified_by_its_own_pixels() -> None:
    car = Detection(CAR, 0.8, Box(0.02, 0.05, 0.22, 0.95))
    dog = Detection(DOG, 0.7, Box(0.78, 0.05, 0.98, 0.95))
    labels, crops = recognized(red_car_and_blue_dog(), car, dog)
    assert labels["Car"].instances[0].box == car.box
    assert labels["Dog"].instances[0].box == dog.box
    assert min(labels["Car"].confidence, labels["Dog"].confidence) > 80
    assert len(crops) == 2


def test_a_box_in_the_wrong_place_is_not_confirmed() -> None:
    car = Detection(CAR, 0.8, Box(0.78, 0.05, 0.98, 0.95))
    labels, _ = recognized(red_car_and_blue_dog(), car)
    assert labels["Car"].confidence < 55


def test_people_are_not_classified() -> None:
    person = Detection(PERSON, 0.8, Box(0.0, 0.0, 1.0, 1.0))
    labels, crops = recognized(red_car_and_blue_dog(), person)
    assert labels["Person"].confidence > 80
    assert len(crops) == 0


def test_many_boxes_of_one_class_leave_a_crop_for_another() -> None:
    cars = [Detection(CAR, 0.9 - i / 50, Box(0, 0, 0.2, 0.5 + i / 50)) for i in range(10)]
    dog = Detection(DOG, 0.5, Box(0.78, 0.05, 0.98, 0.95))
    labels, crops = recognized(red_car_and_blue_dog(), *cars, dog)
    assert len(crops) == MAX_CROPS
    assert labels["Dog"].confidence > 80


def test_a_box_on_the_edge_of_the_image_has_pixels() -> None:
    edges = [Box(1, 1, 1, 1), Box(0, 0, 0, 0), Box(0.999, 0, 1, 1)]
    _, crops = recognized(image_of((9, 9, 9), 80, 80), *(Detection(CAR, 0.9, e) for e in edges))
    assert all(min(crop.shape[:2]) > 0 for crop in crops)


def test_the_middle_is_cut_from_the_center() -> None:
    pixels = np.zeros((90, 180, 3), np.uint8)
    pixels[15:75, 15:165] = 255
    assert middle(pixels).shape == (60, 150, 3)
    assert middle(pixels).min() == 255


def test_the_whole_image_is_seen_plain_and_mirrored() -> None:
    pixels = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    _center, plain, mirrored = whole_views(pixels)
    assert np.array_equal(plain, mirrored[:, ::-1])
