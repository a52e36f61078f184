import math

import numpy as np
import pytest
from PIL import Image, ImageDraw

from localcloud.rekognition.rectangle import Rectangle
from localcloud.rekognition.text.regions import rectangles_around


def marked(*rectangles: Rectangle) -> np.ndarray:
    image = Image.new("1", (400, 300))
    for rectangle in rectangles:
        ImageDraw.Draw(image).polygon([tuple(corner) for corner in rectangle.corners()], fill=1)
    return np.asarray(image)


def rotated(degrees: float, center: tuple[float, float] = (200.0, 150.0)) -> Rectangle:
    angle = math.radians(degrees)
    return Rectangle(center, (math.cos(angle), math.sin(angle)), 180.0, 30.0)


@pytest.mark.parametrize("degrees", [0, 10, 45, 80, 90, 135, -20])
def test_a_rectangle_is_found_at_any_angle(degrees: float) -> None:
    (found,) = rectangles_around(marked(rotated(degrees)))
    assert found.center == pytest.approx((200.5, 150.5), abs=2)
    assert sorted([found.length, found.thickness]) == pytest.approx([30, 180], abs=4)
    long_side = found.along if found.length > found.thickness else found.across
    angle = math.degrees(math.atan2(long_side[1], long_side[0]))
    assert math.cos(math.radians(2 * (angle - degrees))) == pytest.approx(1, abs=0.01)


def test_regions_that_do_not_touch_stay_separate() -> None:
    found = rectangles_around(marked(rotated(0, (200, 50)), rotated(0, (200, 100)), rotated(30)))
    assert len(found) == 2  # the third overlaps the second


def test_pixels_that_connect_anywhere_are_one_region() -> None:
    assert len(rectangles_around(np.eye(20, dtype=bool))) == 1
    letter_u = np.zeros((20, 20), bool)
    letter_u[:, 2] = letter_u[:, 17] = letter_u[19, 2:17] = True
    assert len(rectangles_around(letter_u)) == 1


def test_an_empty_mask_has_no_rectangle() -> None:
    assert rectangles_around(np.zeros((20, 20), bool)) == []


def test_a_full_mask_has_one_rectangle() -> None:
    (found,) = rectangles_around(np.ones((20, 30), bool))
    assert (found.center, found.length, found.thickness) == ((15, 10), 30, 20)
