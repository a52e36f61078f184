from typing import cast

import pytest

from localcloud.rekognition.images import DecodedImage, Pixels
from localcloud.rekognition.rectangle import Rectangle
from localcloud.rekognition.text.detector import TextDetector, TextRegion
from localcloud.rekognition.text.reader import Character, TextReader
from localcloud.rekognition.text.recognizer import Line, TextRecognizer
from tests.helpers.rekognition.images import image_of

WHITE = (255, 255, 255)


def place_at(x: float, y: float, along: tuple[float, float] = (1.0, 0.0)) -> Rectangle:
    return Rectangle((x, y), along, 100.0, 20.0)


def characters(text: str, probability: float = 1.0) -> list[Character]:
    """Characters at equal distances, as a typewriter sets them."""
    return [Character(c, probability, (n + 0.5) / len(text)) for n, c in enumerate(text)]


class FakeDetector:
    def __init__(self, *regions: TextRegion) -> None:
        self.regions = list(regions)

    def detect(self, image: DecodedImage) -> list[TextRegion]:
        return self.regions


class FakeReader:
    """Returns one of the given texts per call, in order."""

    def __init__(self, *texts: list[Character]) -> None:
        self.texts = list(texts)

    def read(self, line: Pixels) -> list[Character]:
        return self.texts.pop(0)


def recognized(regions: list[TextRegion], *texts: list[Character]) -> list[Line]:
    detector, reader = FakeDetector(*regions), FakeReader(*texts)
    recognizer = TextRecognizer(cast(TextDetector, detector), cast(TextReader, reader))
    return recognizer.recognize(image_of(WHITE, 400, 300))


def test_a_line_is_split_into_words_at_its_spaces() -> None:
    (line,) = recognized([TextRegion(place_at(100, 50), 0.9)], characters("a cup  of"))
    assert line.text == "a cup of"
    starts_and_ends = [
        (word.place.corners()[0, 0], word.place.corners()[1, 0]) for word in line.words
    ]
    step = 100 / 9
    for number, ends in enumerate([(0, 1), (2, 5), (7, 9)]):
        assert starts_and_ends[number] == pytest.approx([50 + end * step for end in ends])


def test_a_confidence_is_the_mean_over_the_characters_without_spaces() -> None:
    text = [Character("a", 0.9, 0.1), Character(" ", 0.0, 0.5), Character("b", 0.7, 0.9)]
    (line,) = recognized([TextRegion(place_at(100, 50), 0.9)], text)
    assert line.confidence == pytest.approx(80)
    assert [word.confidence for word in line.words] == pytest.approx([90, 70])


@pytest.mark.parametrize("score_and_probability", [(0.5, 0.95), (0.62, 0.8), (0.9, 0.5)])
def test_text_with_low_confidence_is_dropped(
    score_and_probability: tuple[float, float],
) -> None:
    score, probability = score_and_probability
    region = TextRegion(place_at(100, 50), score)
    assert recognized([region], characters("8", probability)) == []
    assert recognized([TextRegion(region.place, 0.9)], characters("8", 0.9)) != []


def test_empty_or_blank_text_is_no_line() -> None:
    region = TextRegion(place_at(100, 50), 0.9)
    assert recognized([region, region], [], characters("  ")) == []


def test_lines_are_in_reading_order() -> None:
    places = [place_at(300, 104), place_at(100, 200), place_at(100, 100), place_at(200, 30)]
    regions = [TextRegion(place, 0.9) for place in places]
    lines = recognized(regions, *map(characters, ["third", "last", "second", "first"]))
    assert [line.text for line in lines] == ["first", "second", "third", "last"]


def test_steep_text_is_read_in_its_more_confident_direction() -> None:
    region = TextRegion(place_at(100, 150, along=(0.0, 1.0)), 0.9)
    (line,) = recognized([region], characters("umop", 0.7), characters("down", 0.99))
    assert line.text == "down"
    assert [word.place.along for word in line.words] == [(0, -1)]
