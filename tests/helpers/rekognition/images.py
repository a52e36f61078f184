"""Synthetic images."""

import io
from typing import Any

import numpy as np
from PIL import Image

from localcloud.rekognition.images import DecodedImage


def image_of(color: tuple[int, int, int], width: int = 120, height: int = 90) -> DecodedImage:
    """An image of one color."""
    return DecodedImage(np.full((height, width, 3), color, np.uint8))


def encoded(image: Image.Image, file_format: str, **options: Any) -> bytes:
    """An image as the bytes of a file."""
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()
