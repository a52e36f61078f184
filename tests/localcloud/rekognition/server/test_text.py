"""DetectText as a client sees it, with drawn text at various angles and sizes."""

from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont

from tests.helpers.rekognition_process import (
    encoded,
    error_of,
    new_client,
    photograph,
    running_server,
)

LINES = ("EXIT 42 Main Street", "Fresh coffee, served daily!")


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with running_server() as url:
        yield new_client(url)


def draw_sign(size: int = 36, color: str = "black", ground: str = "white") -> Image.Image:
    image = Image.new("RGB", (size * 16, size * 8), ground)
    draw = ImageDraw.Draw(image)
    for number, text in enumerate(LINES):
        draw.text((size, size * (1.5 + 3 * number)), text, color, ImageFont.load_default(size))
    return image


def detected(client: Any, content: bytes, **filters: Any) -> list[dict[str, Any]]:
    parameters = {"Filters": filters} if filters else {}
    response = client.detect_text(Image={"Bytes": content}, **parameters)
    found: list[dict[str, Any]] = response["TextDetections"]
    return found


def texts(found: list[dict[str, Any]], kind: str) -> list[str]:
    return [each["DetectedText"] for each in found if each["Type"] == kind]


def test_lines_and_words_are_read_at_their_positions(client: Any) -> None:
    found = detected(client, encoded(draw_sign()))
    assert texts(found, "LINE") == list(LINES)
    assert texts(found, "WORD") == [word for line in LINES for word in line.split()]
    by_text = {each["DetectedText"]: each for each in found}
    assert by_text["Street"]["ParentId"] == by_text[LINES[0]]["Id"]
    font = ImageFont.load_default(36)
    for line, top in zip(LINES, (1.5 * 36, 4.5 * 36), strict=True):
        for word in line.split():
            left = 36 + font.getlength(line[: line.index(word)])
            box = by_text[word]["Geometry"]["BoundingBox"]
            assert box["Left"] * 576 == pytest.approx(left, abs=12)
            assert box["Width"] * 576 == pytest.approx(font.getlength(word), abs=20)
            assert box["Top"] * 288 == pytest.approx(top + 4, abs=10)
            assert by_text[word]["Confidence"] > 90


VARIANTS = {
    "small print": draw_sign(16),
    "large": draw_sign(120),
    "light on dark": draw_sign(color="yellow", ground="navy"),
    "faint": draw_sign(color="#999", ground="#ccc"),
    "tilted counterclockwise": draw_sign().rotate(15, expand=True, fillcolor="white"),
    "tilted clockwise": draw_sign().rotate(-40, expand=True, fillcolor="white"),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_lines_are_read_in_every_variant(variant: str, client: Any) -> None:
    assert sorted(texts(detected(client, encoded(VARIANTS[variant])), "LINE")) == sorted(LINES)


@pytest.mark.parametrize("degrees", [90, -90])
def test_the_polygon_of_vertical_text_begins_where_the_text_begins(
    degrees: int, client: Any
) -> None:
    found = detected(client, encoded(draw_sign().rotate(degrees, expand=True)))
    assert sorted(texts(found, "LINE")) == sorted(LINES)
    polygon = next(d for d in found if d["DetectedText"] == LINES[1])["Geometry"]["Polygon"]
    start, end = polygon[0], polygon[1]
    assert (start["Y"] > end["Y"]) == (degrees == 90)
    assert abs(start["X"] - end["X"]) < 0.05


@pytest.mark.parametrize("name", ["coffee.png", "chelsea-cat.png", "dahlia.jpg", "pagoda.jpg"])
def test_a_photograph_without_text_has_no_detections(name: str, client: Any) -> None:
    assert detected(client, photograph(name), WordFilter={"MinConfidence": 0}) == []


def test_filters_are_applied(client: Any) -> None:
    lower_half = {"BoundingBox": {"Left": 0, "Top": 0.5, "Width": 1, "Height": 0.5}}
    found = detected(client, encoded(draw_sign()), RegionsOfInterest=[lower_half])
    assert texts(found, "LINE") == [LINES[1]]
    found = detected(client, encoded(draw_sign()), WordFilter={"MinBoundingBoxWidth": 0.18})
    assert "coffee," in texts(found, "WORD")
    assert "42" not in texts(found, "WORD")


def test_a_filter_outside_its_range_is_rejected(client: Any) -> None:
    image = {"Bytes": encoded(draw_sign())}
    filters = {"WordFilter": {"MinBoundingBoxHeight": 2}}
    assert error_of(client.detect_text, Image=image, Filters=filters)[1] == "ValidationException"


def test_a_page_of_more_than_100_words_returns_100(client: Any) -> None:
    page = Image.new("RGB", (1000, 700), "white")
    draw = ImageDraw.Draw(page)
    for number in range(15):
        words = " ".join(["seven"] * 9)
        draw.text((30, 20 + number * 45), words, "black", ImageFont.load_default(22))
    found = detected(client, encoded(page))
    assert len(texts(found, "WORD")) == 100
    assert texts(found, "WORD")[:2] == ["seven", "seven"]
