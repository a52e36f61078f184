"""Pictures that the tests make up."""

import io
from typing import Any

import numpy as np
from PIL import Image

from localcloud.rekognition.images import DecodedImage


def picture_of(color: tuple[int, int, int], width: int = 120, height: int = 90) -> DecodedImage:
    """A picture of one color."""
    return DecodedImage(np.full((height, width, 3), color, np.uint8))


def encoded(image: Image.Image, file_format: str, **options: Any) -> bytes:
    """An image file."""
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()
