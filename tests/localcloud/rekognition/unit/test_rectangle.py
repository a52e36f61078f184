import numpy as np
import pytest

from localcloud.rekognition.images import DecodedImage
from localcloud.rekognition.rectangle import Rectangle, cut_out
from tests.helpers.rekognition.images import image_of


def test_the_corners_begin_at_the_start_of_the_upper_edge() -> None:
    level = Rectangle((50.0, 20.0), (1.0, 0.0), 60.0, 10.0)
    assert level.corners().tolist() == [[20, 15], [80, 15], [80, 25], [20, 25]]
    assert level.turned_around().corners()[0].tolist() == [80, 25]
    assert level.grown(5).corners()[0].tolist() == [15, 10]
    assert level.part(0.5, 1).corners()[0].tolist() == [50, 15]


@pytest.mark.parametrize(
    ("along", "expected"),
    [((1.0, 0.0), "left"), ((-1.0, 0.0), "right"), ((0.0, 1.0), "top"), ((0.0, -1.0), "bottom")],
)
def test_a_cutout_begins_at_the_start_of_its_rectangle(
    along: tuple[float, float], expected: str
) -> None:
    shades = {"left": 10, "right": 60, "top": 110, "bottom": 160}
    pixels = np.full((200, 200, 3), 255, np.uint8)
    pixels[:, :60], pixels[:, 140:] = shades["left"], shades["right"]
    pixels[:60, 90:110], pixels[140:, 90:110] = shades["top"], shades["bottom"]
    cut = cut_out(DecodedImage(pixels), Rectangle((100.0, 100.0), along, 200.0, 10.0))
    assert cut.shape == (10, 200, 3)
    assert cut[5, 5, 0] == shades[expected]


def test_a_cutout_beyond_the_image_repeats_its_edge() -> None:
    cut = cut_out(image_of((200, 30, 30)), Rectangle((60.0, 45.0), (1.0, 0.0), 123.0, 92.0))
    assert cut.min(axis=(0, 1)).tolist() == [200, 30, 30]
