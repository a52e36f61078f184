"""Image properties: dominant colors and quality, computed from an image's pixels.

Amazon does not publish its formulas. These are simple, documented ones, each from 0 to 100: they
follow changes in an image, but their values are not Amazon's.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from localcloud.rekognition.colors import dominant_colors
from localcloud.rekognition.detector import Box
from localcloud.rekognition.images import DecodedImage, Pixels

Luminance = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Luma weights of red, green and blue: ITU-R Recommendation BT.601.
LUMA_WEIGHTS = np.array([0.299, 0.587, 0.114])
# The highest possible standard deviation: half of the pixels black, half white.
_MAX_DEVIATION = 127.5
# The mean absolute Laplacian for a sharpness of 50; photographs in focus have about 10 to 40.
_MEDIUM_LAPLACIAN = 8.0


def image_properties(
    image: DecodedImage, object_boxes: Sequence[Box], max_colors: int
) -> dict[str, Any]:
    """The image's ImageProperties of the service model, with up to `max_colors` (0 to 20) colors.

    The foreground is the inside of `object_boxes`, the background the outside. Without objects
    neither is known, so both are omitted.
    """
    luminance = image.pixels @ LUMA_WEIGHTS
    everything = np.ones(luminance.shape, bool)
    foreground = _inside(object_boxes, image)
    properties = _of_region(image.pixels, luminance, everything, max_colors)
    if foreground.any():
        properties["Foreground"] = _of_region(image.pixels, luminance, foreground, max_colors)
        if not foreground.all():
            properties["Background"] = _of_region(image.pixels, luminance, ~foreground, max_colors)
    return properties


def _of_region(
    pixels: Pixels, luminance: Luminance, region: Mask, max_colors: int
) -> dict[str, Any]:
    return {
        "Quality": {
            "Brightness": brightness(luminance[region]),
            "Sharpness": sharpness(luminance, region),
            "Contrast": contrast(luminance[region]),
        },
        "DominantColors": [
            color.as_response() for color in dominant_colors(pixels[region], max_colors)
        ],
    }


def brightness(luminance: Luminance) -> float:
    """The mean luminance: 0 for black, 100 for white."""
    return float(luminance.mean() / 255 * 100)


def contrast(luminance: Luminance) -> float:
    """The standard deviation of luminance: 0 for a uniform gray, 100 for half black, half white."""
    return float(min(luminance.std() / _MAX_DEVIATION, 1) * 100)


def sharpness(luminance: Luminance, region: Mask) -> float:
    """100 x / (x + 8) for a mean absolute Laplacian x over `region`: 0 without any edge."""
    laplacian = np.abs(
        4 * luminance[1:-1, 1:-1]
        - luminance[:-2, 1:-1]
        - luminance[2:, 1:-1]
        - luminance[1:-1, :-2]
        - luminance[1:-1, 2:]
    )
    inside = laplacian[region[1:-1, 1:-1]]
    mean = float(inside.mean()) if inside.size else 0.0
    return mean / (mean + _MEDIUM_LAPLACIAN) * 100


def _inside(boxes: Sequence[Box], image: DecodedImage) -> Mask:
    mask = np.zeros((image.height, image.width), bool)
    for box in boxes:
        top, bottom = round(box.top * image.height), round(box.bottom * image.height)
        left, right = round(box.left * image.width), round(box.right * image.width)
        mask[top:bottom, left:right] = True
    return mask
