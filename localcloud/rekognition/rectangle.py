"""Rotated rectangles in an image, and the pixels inside them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from localcloud.rekognition.images import DecodedImage, Pixels

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Rectangle:
    """A rotated rectangle, in pixels.

    `along` and `across` are unit vectors: the directions of `length` and of `thickness`. `across`
    is `along` turned 90 degrees clockwise on screen, where y points down.
    """

    center: tuple[float, float]
    along: tuple[float, float]
    length: float
    thickness: float

    @property
    def across(self) -> tuple[float, float]:
        """The unit vector in the direction of the thickness."""
        return -self.along[1], self.along[0]

    def corners(self) -> Points:
        """The corners [4, 2], clockwise: top edge start and end, then bottom edge end and start."""
        half_along = np.multiply(self.along, self.length / 2)
        half_across = np.multiply(self.across, self.thickness / 2)
        signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
        return np.array([self.center + a * half_along + b * half_across for a, b in signs])

    def grown(self, margin: float) -> "Rectangle":
        """The rectangle enlarged by `margin` pixels on every side."""
        sides = self.length + 2 * margin, self.thickness + 2 * margin
        return Rectangle(self.center, self.along, *sides)

    def part(self, start: float, end: float) -> "Rectangle":
        """The part between two ratios (0 to 1) of its length."""
        shift = ((start + end) / 2 - 0.5) * self.length
        center = (self.center[0] + shift * self.along[0], self.center[1] + shift * self.along[1])
        return Rectangle(center, self.along, (end - start) * self.length, self.thickness)

    def turned_around(self) -> "Rectangle":
        """The same rectangle rotated by 180 degrees, to be read from its other end."""
        along = (-self.along[0], -self.along[1])
        return Rectangle(self.center, along, self.length, self.thickness)


def cut_out(image: DecodedImage, place: Rectangle) -> Pixels:
    """The pixels inside a rectangle, rotated so that `along` points to the right."""
    width, height = max(1, round(place.length)), max(1, round(place.thickness))
    start = place.corners()[0]
    to_right = np.multiply(place.along, place.length / width)
    to_bottom = np.multiply(place.across, place.thickness / height)
    rows = [(to_right[axis], to_bottom[axis], start[axis]) for axis in (0, 1)]
    margin = 2  # beyond the image's edge the edge pixels repeat instead of turning black
    padded = np.pad(image.pixels, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    coefficients = [float(value) for row in rows for value in (*row[:2], row[2] + margin)]
    cut = Image.fromarray(padded).transform(
        (width, height), Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC
    )
    return np.asarray(cut)
