from typing import Any, cast

import pytest

from localcloud.rekognition.detect_labels import DetectLabels
from localcloud.rekognition.detector import Box
from localcloud.rekognition.fusion import Instance, Label
from localcloud.rekognition.images import DecodedImage
from localcloud.rekognition.labels import LabelRecognizer
from localcloud.rekognition.protocol import ServiceError
from localcloud.rekognition.taxonomy import Taxonomy
from localcloud.rekognition.validation import validate_response
from tests.helpers.rekognition.images import image_of
from tests.helpers.rekognition.shapes import RESPONSE

LABELS = [
    Label("Animal", 98.0),
    Label("Cat", 97.0, (Instance(97.0, Box(0.125, 0.25, 0.625, 1.0)),)),
    Label("Plant", 70.0),
    Label("Furniture", 55.0),
    Label("Boat", 54.9),
    Label("Taxi", 3.0),
]


class FakeRecognizer:
    def recognize(self, image: DecodedImage) -> list[Label]:
        return LABELS


def detect(**request: Any) -> dict[str, Any]:
    operation = DetectLabels(cast(LabelRecognizer, FakeRecognizer()), Taxonomy.load())
    response = operation.answer(request, image_of((200, 30, 30)))
    validate_response(response, RESPONSE)
    return response


def names(**request: Any) -> list[str]:
    return [label["Name"] for label in detect(**request)["Labels"]]


def names_with_filters(**filters: list[str]) -> list[str]:
    return names(MinConfidence=0, Settings={"GeneralLabels": filters})


def test_the_default_min_confidence_is_55_inclusive() -> None:
    assert names() == ["Animal", "Cat", "Plant", "Furniture"]


def test_min_confidence_is_inclusive() -> None:
    assert names(MinConfidence=70) == ["Animal", "Cat", "Plant"]
    assert names(MinConfidence=70.1) == ["Animal", "Cat"]
    assert names(MinConfidence=0)[-1] == "Taxi"
    assert names(MinConfidence=100) == []


def test_max_labels_keeps_the_most_confident() -> None:
    assert names(MaxLabels=2) == ["Animal", "Cat"]


def test_a_label_has_every_member_that_rekognition_returns() -> None:
    cat = next(label for label in detect()["Labels"] if label["Name"] == "Cat")
    assert cat == {
        "Name": "Cat",
        "Confidence": 97.0,
        "Instances": [
            {
                "BoundingBox": {"Left": 0.125, "Top": 0.25, "Width": 0.5, "Height": 0.75},
                "Confidence": 97.0,
            }
        ],
        "Parents": [{"Name": "Mammal"}, {"Name": "Pet"}, {"Name": "Animal"}],
        "Aliases": [],
        "Categories": [{"Name": "Animals and Pets"}],
    }


def test_labels_are_included_by_exact_name() -> None:
    assert names_with_filters(LabelInclusionFilters=["Cat", "plant"]) == ["Cat"]


def test_labels_are_excluded_by_exact_name() -> None:
    assert "Cat" not in names_with_filters(LabelExclusionFilters=["Cat"])
    assert "Cat" in names_with_filters(LabelExclusionFilters=["cat"])


def test_categories_are_included_and_excluded() -> None:
    animals = ["Animals and Pets"]
    assert names_with_filters(LabelCategoryInclusionFilters=animals) == ["Animal", "Cat"]
    assert names_with_filters(LabelCategoryExclusionFilters=animals)[0] == "Plant"


def test_a_label_is_included_by_its_name_or_its_category() -> None:
    chosen = names_with_filters(
        LabelInclusionFilters=["Plant"], LabelCategoryInclusionFilters=["Animals and Pets"]
    )
    assert chosen == ["Animal", "Cat", "Plant"]


def test_exclusion_takes_precedence_over_inclusion() -> None:
    chosen = names_with_filters(
        LabelCategoryInclusionFilters=["Animals and Pets"], LabelExclusionFilters=["Animal"]
    )
    assert chosen == ["Cat"]


def test_filters_apply_before_max_labels() -> None:
    settings = {"GeneralLabels": {"LabelExclusionFilters": ["Animal"]}}
    assert names(MaxLabels=1, Settings=settings) == ["Cat"]


def test_general_labels_are_the_default_feature() -> None:
    assert detect().keys() == {"Labels", "LabelModelVersion"}
    assert detect(Features=[]).keys() == {"Labels", "LabelModelVersion"}


def test_image_properties_alone_return_no_labels() -> None:
    response = detect(Features=["IMAGE_PROPERTIES"])
    assert response.keys() == {"ImageProperties"}
    assert response["ImageProperties"].keys() == {
        "Quality",
        "DominantColors",
        "Foreground",
        "Background",
    }


def test_both_features_can_be_requested_together() -> None:
    response = detect(Features=["GENERAL_LABELS", "IMAGE_PROPERTIES"])
    assert response.keys() == {"Labels", "LabelModelVersion", "ImageProperties"}


@pytest.mark.parametrize(
    "request_",
    [
        {"Features": ["IMAGE_PROPERTIES"], "MaxLabels": 5},
        {"Features": ["IMAGE_PROPERTIES"], "MinConfidence": 5},
        {"Features": ["IMAGE_PROPERTIES"], "Settings": {"GeneralLabels": {}}},
        {"Settings": {"ImageProperties": {"MaxDominantColors": 5}}},
    ],
)
def test_parameters_without_their_feature_are_rejected(request_: dict[str, Any]) -> None:
    with pytest.raises(ServiceError, match="InvalidParameterException"):
        detect(**request_)
