from typing import Any, cast

import pytest

from localcloud.rekognition.detect_text import DetectText
from localcloud.rekognition.images import DecodedImage
from localcloud.rekognition.protocol import ServiceError
from localcloud.rekognition.rectangle import Rectangle
from localcloud.rekognition.text.recognizer import Line, TextRecognizer, Word
from localcloud.rekognition.validation import validate_response
from tests.helpers.rekognition.images import image_of
from tests.helpers.rekognition.shapes import response_of


def word(text: str, confidence: float, left: float, top: float, height: float = 20.0) -> Word:
    center = (left + 50.0, top + height / 2)
    return Word(text, confidence, Rectangle(center, (1.0, 0.0), 100.0, height))


def line(*words: Word) -> Line:
    place = words[0].place
    text = " ".join(each.text for each in words)
    return Line(text, words, sum(each.confidence for each in words) / len(words), place)


LINES = [
    line(word("Open", 99.0, 0, 0), word("dailv", 79.0, 200, 0)),
    line(word("Coffee", 90.0, 0, 300, height=60.0)),
]


def detections(lines: list[Line] = LINES, **filters: Any) -> list[dict[str, Any]]:
    class FakeRecognizer:
        def recognize(self, image: DecodedImage) -> list[Line]:
            return lines

    operation = DetectText(lambda: cast(TextRecognizer, FakeRecognizer()))
    request = {"Filters": filters} if filters else {}
    response = operation.answer(request, image_of((255, 255, 255), 400, 400))
    validate_response(response, response_of("DetectText"))
    assert response["TextModelVersion"]
    found: list[dict[str, Any]] = response["TextDetections"]
    return found


def words(lines: list[Line] = LINES, **filters: Any) -> list[str]:
    return [each["DetectedText"] for each in detections(lines, **filters) if each["Type"] == "WORD"]


def test_lines_come_first_and_words_name_their_line() -> None:
    found = detections(WordFilter={"MinConfidence": 0})
    shown = [(d["Id"], d["Type"], d.get("ParentId"), d["DetectedText"]) for d in found]
    assert shown == [
        (0, "LINE", None, "Open dailv"),
        (1, "LINE", None, "Coffee"),
        (2, "WORD", 0, "Open"),
        (3, "WORD", 0, "dailv"),
        (4, "WORD", 1, "Coffee"),
    ]


def test_geometry_has_ratios_and_a_polygon_clockwise_from_the_start() -> None:
    coffee = detections()[-1]["Geometry"]
    expected = {"Left": 0, "Top": 0.75, "Width": 0.25, "Height": 0.15}
    assert coffee["BoundingBox"] == pytest.approx(expected)
    assert coffee["Polygon"][:2] == [{"X": 0, "Y": 0.75}, {"X": 0.25, "Y": 0.75}]
    assert coffee["Polygon"][3] == {"X": 0, "Y": 0.9}


def test_geometry_stays_within_the_image() -> None:
    outside = line(word("edge", 99.0, 350, 390))
    box = detections([outside])[0]["Geometry"]["BoundingBox"]
    assert box["Left"] + box["Width"] == 1
    assert box["Top"] + box["Height"] == 1


def test_the_default_min_confidence_is_80() -> None:
    assert words() == ["Open", "Coffee"]
    assert detections()[0]["DetectedText"] == "Open dailv"
    assert words(WordFilter={"MinConfidence": 79}) == ["Open", "dailv", "Coffee"]
    assert words(WordFilter={"MinBoundingBoxHeight": 0}) == ["Open", "Coffee"]


def test_words_are_filtered_by_size() -> None:
    assert words(WordFilter={"MinBoundingBoxHeight": 0.1}) == ["Coffee"]
    assert words(WordFilter={"MinBoundingBoxWidth": 0.26}) == []


def test_a_line_whose_words_are_all_filtered_out_is_omitted() -> None:
    found = detections(WordFilter={"MinBoundingBoxHeight": 0.1})
    assert [each["DetectedText"] for each in found] == ["Coffee", "Coffee"]


def box(left: float, top: float, width: float, height: float) -> dict[str, Any]:
    return {"BoundingBox": {"Left": left, "Top": top, "Width": width, "Height": height}}


def polygon(*points: tuple[float, float]) -> dict[str, Any]:
    return {"Polygon": [{"X": x, "Y": y} for x, y in points]}


def test_only_words_whose_center_is_in_a_region_of_interest_are_returned() -> None:
    assert words(RegionsOfInterest=[box(0, 0, 1, 0.5)]) == ["Open"]
    assert words(RegionsOfInterest=[box(0, 0, 1, 0.5), box(0, 0.5, 1, 0.5)]) == ["Open", "Coffee"]
    assert words(RegionsOfInterest=[box(0.5, 0.5, 0.5, 0.5)]) == []
    below_the_diagonal = polygon((0, 0.1), (1, 1), (0, 1))
    assert words(RegionsOfInterest=[below_the_diagonal]) == ["Coffee"]
    assert words(RegionsOfInterest=[]) == ["Open", "Coffee"]


@pytest.mark.parametrize(
    "region",
    [
        {},
        box(0, 0, 1, 1) | polygon((0, 0), (1, 1), (0, 1)),
        polygon((0, 0), (1, 1)),
        {"Polygon": [{"X": 0.5}, {"X": 0.1, "Y": 0.1}, {"X": 0.2, "Y": 0.1}]},
        {"BoundingBox": {"Left": 0.5}},
    ],
)
def test_a_malformed_region_is_an_invalid_parameter(region: dict[str, Any]) -> None:
    with pytest.raises(ServiceError, match="InvalidParameterException"):
        detections(RegionsOfInterest=[region])


def test_at_most_100_words_are_returned() -> None:
    many = [line(*[word(f"w{n}", 99.0, 0, 0) for n in range(30)]) for _ in range(5)]
    found = detections(many)
    assert sum(each["Type"] == "WORD" for each in found) == 100
    assert sum(each["Type"] == "LINE" for each in found) == 4
