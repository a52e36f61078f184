"""Colors and quality of a picture, computed from its pixels.

Amazon does not publish its formulas. These are plain, documented ones, each from 0 to 100, so that
what changes in a picture changes the figure; the figures themselves are not Amazon's.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from localcloud.rekognition.colors import dominant_colors
from localcloud.rekognition.detector import Box
from localcloud.rekognition.images import Picture, Pixels

Luminance = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Rec. 601 weights of red, green and blue.
LUMA_WEIGHTS = np.array([0.299, 0.587, 0.114])
# Half black and half white is the highest standard deviation there is.
_MAX_DEVIATION = 127.5
# A mean absolute Laplacian at which sharpness is 50; photographs in focus have about 10 to 40.
_MEDIUM_LAPLACIAN = 8.0


def image_properties(
    picture: Picture, object_boxes: Sequence[Box], max_colors: int
) -> dict[str, Any]:
    """The ImageProperties of a response, with `max_colors` (0 to 20) dominant colors at most.

    The foreground is what lies in the boxes of the objects found, the background what lies
    outside. Without objects nobody knows which is which: then both are left out.
    """
    luminance = picture.pixels @ LUMA_WEIGHTS
    everything = np.ones(luminance.shape, bool)
    foreground = _inside(object_boxes, picture)
    properties = _of_region(picture.pixels, luminance, everything, max_colors)
    if foreground.any():
        properties["Foreground"] = _of_region(picture.pixels, luminance, foreground, max_colors)
        if not foreground.all():
            properties["Background"] = _of_region(
                picture.pixels, luminance, ~foreground, max_colors
            )
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
    """The mean: black is 0, white 100."""
    return float(luminance.mean() / 255 * 100)


def contrast(luminance: Luminance) -> float:
    """The standard deviation: one single grey is 0, half black and half white 100."""
    return float(min(luminance.std() / _MAX_DEVIATION, 1) * 100)


def sharpness(luminance: Luminance, region: Mask) -> float:
    """From the mean absolute Laplacian x as x / (x + 8): no edge at all is 0."""
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


def _inside(boxes: Sequence[Box], picture: Picture) -> Mask:
    mask = np.zeros((picture.height, picture.width), bool)
    for box in boxes:
        top, bottom = round(box.top * picture.height), round(box.bottom * picture.height)
        left, right = round(box.left * picture.width), round(box.right * picture.width)
        mask[top:bottom, left:right] = True
    return mask
