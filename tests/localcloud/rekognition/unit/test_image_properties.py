from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from localcloud.rekognition.colors import css_color, dominant_colors, simplified_color
from localcloud.rekognition.detector import Box
from localcloud.rekognition.image_properties import image_properties
from localcloud.rekognition.images import DecodedImage
from tests.helpers.rekognition.images import image_of

RED, WHITE, BLACK = (255, 0, 0), (255, 255, 255), (0, 0, 0)


def chessboard(dark: int = 0, light: int = 255) -> DecodedImage:
    board = np.where((np.indices((120, 120)) // 10).sum(axis=0) % 2, light, dark)
    return DecodedImage(np.repeat(board[..., None], 3, axis=2).astype(np.uint8))


def blurred(image: DecodedImage, radius: float) -> DecodedImage:
    blurry = Image.fromarray(image.pixels).filter(ImageFilter.GaussianBlur(radius))
    return DecodedImage(np.asarray(blurry))


def quality(image: DecodedImage) -> dict[str, float]:
    found: dict[str, float] = image_properties(image, [], 5)["Quality"]
    return found


def test_a_red_image_has_one_dominant_color() -> None:
    (color,) = image_properties(image_of(RED), [], 10)["DominantColors"]
    assert color == {
        "Red": 255,
        "Green": 0,
        "Blue": 0,
        "HexCode": "#ff0000",
        "CSSColor": "red",
        "SimplifiedColor": "red",
        "PixelPercent": 100.0,
    }


def test_the_most_frequent_color_comes_first_with_its_share() -> None:
    pixels = image_of(WHITE, 100, 100).pixels
    pixels[:25] = RED
    white, red = dominant_colors(pixels.reshape(-1, 3), 5)
    assert (white.red, white.green, white.blue) == WHITE
    assert white.pixel_percent == pytest.approx(75, abs=1)
    assert (red.red, red.green, red.blue) == RED
    assert red.pixel_percent == pytest.approx(25, abs=1)


@pytest.mark.parametrize("count", [0, 1, 3, 20])
def test_there_are_at_most_as_many_colors_as_requested(count: int) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    colors = image_properties(DecodedImage(noise), [], count)["DominantColors"]
    assert len(colors) == count
    assert sum(color["PixelPercent"] for color in colors) == pytest.approx(100 if count else 0)


@pytest.mark.parametrize(
    ("color", "css", "simplified"),
    [
        ((0, 0, 0), "black", "black"),
        ((255, 255, 255), "white", "white"),
        ((128, 128, 128), "gray", "grey"),
        ((250, 5, 3), "red", "red"),
        ((0, 0, 130), "navy", "blue"),
        ((34, 139, 34), "forestgreen", "green"),
        ((255, 215, 0), "gold", "yellow"),
        ((255, 140, 0), "darkorange", "orange"),
        ((139, 69, 19), "saddlebrown", "brown"),
        ((255, 192, 203), "pink", "pink"),
        ((128, 0, 128), "purple", "purple"),
        ((0, 255, 255), "aqua", "cyan"),
    ],
)
def test_colors_have_their_css_and_simplified_names(
    color: tuple[int, int, int], css: str, simplified: str
) -> None:
    assert css_color(*color) == css
    assert simplified_color(*color) == simplified


def test_white_is_brighter_than_gray_and_gray_than_black() -> None:
    brightness = [quality(image_of((v, v, v)))["Brightness"] for v in (0, 128, 255)]
    assert brightness == [pytest.approx(0), pytest.approx(50.2, abs=0.1), pytest.approx(100)]


def test_black_and_white_halves_have_the_highest_contrast() -> None:
    assert quality(chessboard())["Contrast"] == pytest.approx(100)
    assert quality(chessboard(100, 150))["Contrast"] == pytest.approx(19.6, abs=0.1)
    assert quality(image_of(RED))["Contrast"] == pytest.approx(0, abs=1e-6)


def test_a_blurred_image_is_less_sharp() -> None:
    sharpness = [quality(blurred(chessboard(), radius))["Sharpness"] for radius in (0, 1, 3)]
    assert sharpness == sorted(sharpness, reverse=True)
    assert sharpness[0] > 50
    assert quality(image_of(RED))["Sharpness"] == pytest.approx(0, abs=1e-6)


def properties_of_white_and_black_halves(boxes: list[Box]) -> dict[str, Any]:
    pixels = image_of(WHITE, 200, 100).pixels
    pixels[:, 100:] = BLACK
    return image_properties(DecodedImage(pixels), boxes, 3)


def test_the_foreground_is_where_the_objects_are() -> None:
    properties = properties_of_white_and_black_halves([Box(0.0, 0.0, 0.5, 1.0)])
    assert properties["Foreground"]["Quality"]["Brightness"] == pytest.approx(100)
    assert properties["Background"]["Quality"]["Brightness"] == pytest.approx(0)
    assert properties["Foreground"]["DominantColors"][0]["CSSColor"] == "white"
    assert properties["Background"]["DominantColors"][0]["CSSColor"] == "black"


def test_without_objects_there_is_no_foreground() -> None:
    assert properties_of_white_and_black_halves([]).keys() == {"Quality", "DominantColors"}


def test_an_object_that_fills_the_image_leaves_no_background() -> None:
    assert "Background" not in properties_of_white_and_black_halves([Box(0.0, 0.0, 1.0, 1.0)])
