"""Dominant colors of pixels, in the form of Rekognition's DominantColor."""

import colorsys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from localcloud.rekognition.images import Pixels

_SAMPLE_COUNT = 20_000
_CLUSTERING_ROUNDS = 4

# The named colors of CSS Color Module Level 4, without the "grey" duplicates.
_CSS_COLORS = {
    name: ImageColor.getrgb(name) for name in sorted(ImageColor.colormap) if "grey" not in name
}
_CSS_NAMES = list(_CSS_COLORS)
_CSS_VALUES = np.array([color[:3] for color in _CSS_COLORS.values()], np.float64)


@dataclass(frozen=True)
class DominantColor:
    """A color (0 to 255 per channel) and the percentage (0 to 100) of pixels nearest to it."""

    red: int
    green: int
    blue: int
    pixel_percent: float

    def as_response(self) -> dict[str, Any]:
        """The color as a DominantColor of the service model."""
        return {
            "Red": self.red,
            "Green": self.green,
            "Blue": self.blue,
            "HexCode": f"#{self.red:02x}{self.green:02x}{self.blue:02x}",
            "CSSColor": css_color(self.red, self.green, self.blue),
            "SimplifiedColor": simplified_color(self.red, self.green, self.blue),
            "PixelPercent": self.pixel_percent,
        }


def dominant_colors(pixels: NDArray[np.uint8], max_count: int) -> list[DominantColor]:
    """At most `max_count` dominant colors of `pixels` ([count, 3], RGB), most frequent first.

    Quantizes an evenly spaced sample of the pixels by median cut, refined by k-means.
    """
    if max_count == 0 or len(pixels) == 0:
        return []
    sample: Pixels = pixels[:: max(1, len(pixels) // _SAMPLE_COUNT)]
    quantized = Image.fromarray(sample[None]).quantize(
        max_count, Image.Quantize.MEDIANCUT, kmeans=_CLUSTERING_ROUNDS
    )
    clusters = np.asarray(quantized).ravel()
    found = [_mean_color(sample, clusters == cluster) for cluster in np.unique(clusters)]
    return sorted(found, key=lambda color: -color.pixel_percent)


def _mean_color(sample: NDArray[np.uint8], is_member: NDArray[np.bool_]) -> DominantColor:
    red, green, blue = sample[is_member].mean(axis=0).round().astype(int).tolist()
    return DominantColor(red, green, blue, pixel_percent=float(is_member.mean() * 100))


def css_color(red: int, green: int, blue: int) -> str:
    """The name of the CSS color nearest to an RGB color (0 to 255 per channel).

    The distance is the "redmean" approximation of perceived difference:
    https://www.compuphase.com/cmetric.htm
    """
    differences = _CSS_VALUES - (red, green, blue)
    mean_red = (_CSS_VALUES[:, 0] + red) / 2
    weights = np.stack([2 + mean_red / 256, np.full(len(mean_red), 4), 2 + (255 - mean_red) / 256])
    distances = (differences**2 * weights.T).sum(axis=1)
    return _CSS_NAMES[int(distances.argmin())]


def simplified_color(red: int, green: int, blue: int) -> str:
    """One of twelve basic color names for an RGB color (0 to 255 per channel).

    The name depends on hue, lightness and saturation. Rekognition has twelve names too, but does
    not list them.
    """
    hue, lightness, saturation = colorsys.rgb_to_hls(red / 255, green / 255, blue / 255)
    chroma = saturation * (1 - abs(2 * lightness - 1))
    if chroma < 0.12:
        return _achromatic_name(lightness)
    if lightness < 0.08:
        return "black"
    name = next(name for limit, name in _HUES if hue * 360 < limit)
    if name in ("orange", "red", "yellow") and lightness < 0.4 and 10 <= hue * 360 < 50:
        return "brown"
    if name in ("red", "purple") and lightness > 0.7:
        return "pink"
    return name


# Upper limits of the hue in degrees, exclusive.
_HUES = (
    (15, "red"),
    (45, "orange"),
    (70, "yellow"),
    (165, "green"),
    (200, "cyan"),
    (255, "blue"),
    (310, "purple"),
    (345, "pink"),
    (361, "red"),
)


def _achromatic_name(lightness: float) -> str:
    if lightness < 0.15:
        return "black"
    return "white" if lightness > 0.88 else "grey"
