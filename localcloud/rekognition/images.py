"""Decodes image files to pixels, within Rekognition's limits.

Limits: "Guidelines and quotas in Amazon Rekognition" in the developer guide,
https://docs.aws.amazon.com/rekognition/latest/dg/limits.html
"""

import io
import struct
import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from localcloud.rekognition.protocol import ServiceError

MIN_SIDE = 80
MAX_SIDE = 10_000

Pixels = NDArray[np.uint8]

# The label networks take at most 300 pixels per side, of the image or of a crop; a larger working
# size would cost time and add no detail.
WORKING_SIDE = 1024
_LARGE_PIXEL_COUNT = 16_000_000
_JPEG_SIGNATURE = b"\xff\xd8\xff"
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

# Pillow's decompression bomb check: it warns above this count and raises above twice this count.
Image.MAX_IMAGE_PIXELS = MAX_SIDE * MAX_SIDE

# A decoded image of 100 megapixels takes 300 MB, so only one large image is decoded at a time.
_large_image_lock = threading.Lock()


@dataclass(frozen=True)
class DecodedImage:
    """An upright image, reduced to a working size; `pixels` is RGB, [height, width, 3], uint8."""

    pixels: Pixels

    @classmethod
    def blank(cls, width: int, height: int) -> "DecodedImage":
        """A uniformly gray image of `width` x `height` pixels."""
        return cls(np.full((height, width, 3), 128, np.uint8))

    @property
    def width(self) -> int:
        """The width in pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """The height in pixels."""
        return int(self.pixels.shape[0])


def decode(content: bytes, side: int = WORKING_SIDE) -> DecodedImage:
    """Decode a JPEG or PNG file, apply its Exif orientation, reduce it to `side` pixels per side.

    Raises ServiceError: InvalidImageFormatException for anything but a readable JPEG or PNG,
    ImageTooLargeException above 10,000 pixels per side, InvalidParameterException below 80.
    """
    # The signature decides: a name or content type is only the client's claim.
    if not content.startswith((_JPEG_SIGNATURE, _PNG_SIGNATURE)):
        raise _invalid_format()
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG")) as image:
            _check_size(image.width, image.height)
            if image.width * image.height > _LARGE_PIXEL_COUNT:
                with _large_image_lock:
                    return DecodedImage(_to_pixels(image, side))
            return DecodedImage(_to_pixels(image, side))
    except Image.DecompressionBombError as error:
        raise _too_large("more than 200 million pixels") from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise _invalid_format() from error


def _check_size(width: int, height: int) -> None:
    if max(width, height) > MAX_SIDE:
        raise _too_large(f"{width} x {height}")
    if min(width, height) < MIN_SIDE:
        raise ServiceError(
            "InvalidParameterException",
            f"Request has invalid parameters: the image is {width} x {height} pixels, the minimum "
            f"is {MIN_SIDE} pixels a side",
        )


def _to_pixels(image: Image.Image, side: int) -> Pixels:
    is_jpeg = image.format != "PNG"
    if is_jpeg:
        image.draft("RGB", (side, side))  # libjpeg scales while it decodes
    reduced = _in_color(image)
    # Before any other step that makes a copy: 100 megapixels of RGBA take 400 MB.
    reduced.thumbnail((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
    upright = _on_white(reduced)
    if is_jpeg:  # API reference: "Images in .png format don't contain Exif metadata"
        upright = ImageOps.exif_transpose(upright)
    return np.asarray(upright, dtype=np.uint8)


def _in_color(image: Image.Image) -> Image.Image:
    """The image in RGB, or in RGBA if it has transparency."""
    if image.mode.startswith("I"):  # 16-bit gray, which Pillow would clip at 255
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    mode = "RGBA" if image.has_transparency_data else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _on_white(image: Image.Image) -> Image.Image:
    """The image in RGB, composited on white where it is transparent."""
    if image.mode == "RGB":
        return image
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def _invalid_format() -> ServiceError:
    return ServiceError("InvalidImageFormatException", "Request has invalid image format")


def _too_large(size: str) -> ServiceError:
    return ServiceError(
        "ImageTooLargeException",
        f"Input image dimensions {size} exceed maximum dimension size of {MAX_SIDE} pixels",
    )
