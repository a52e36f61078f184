"""Bytes to pixels, within the limits of the service.

Limits: "Guidelines and quotas in Amazon Rekognition" of the developer guide,
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

# The label networks look at 300 pixels a side at most, at boxes of a picture too; more than this
# costs time and shows them nothing.
WORKING_SIDE = 1024
_LARGE_PIXEL_COUNT = 16_000_000
_JPEG_SIGNATURE = b"\xff\xd8\xff"
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

# Pillow's own guard, which warns from this count and raises from twice this count.
Image.MAX_IMAGE_PIXELS = MAX_SIDE * MAX_SIDE

# A decoded image of 100 megapixels takes 300 MB; only one of that kind is in memory at a time.
_one_large_image = threading.Lock()


@dataclass(frozen=True)
class Picture:
    """An upright picture, reduced to a working size; `pixels` is RGB, [height, width, 3]."""

    pixels: Pixels

    @classmethod
    def blank(cls, width: int, height: int) -> "Picture":
        """A grey picture."""
        return cls(np.full((height, width, 3), 128, np.uint8))

    @property
    def width(self) -> int:
        """In pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """In pixels."""
        return int(self.pixels.shape[0])


def decode(content: bytes, side: int = WORKING_SIDE) -> Picture:
    """Decode a JPEG or PNG file, upright as its Exif orientation says, of `side` pixels at most.

    Raises ServiceError: InvalidImageFormatException for anything that is no readable JPEG or PNG,
    ImageTooLargeException over 10,000 pixels a side, InvalidParameterException under 80.
    """
    # Told from the bytes: a name or content type is only what somebody says of them.
    if not content.startswith((_JPEG_SIGNATURE, _PNG_SIGNATURE)):
        raise _invalid_format()
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG")) as image:
            _check_size(image.width, image.height)
            if image.width * image.height > _LARGE_PIXEL_COUNT:
                with _one_large_image:
                    return Picture(_to_pixels(image, side))
            return Picture(_to_pixels(image, side))
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
    # Before all else that makes copies: 100 megapixels are 400 MB.
    reduced.thumbnail((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
    shown = _on_white(reduced)
    if is_jpeg:  # "Images in .png format don't contain Exif metadata", says the API's reference
        shown = ImageOps.exif_transpose(shown)
    return np.asarray(shown, dtype=np.uint8)


def _in_color(image: Image.Image) -> Image.Image:
    """In RGB, or in RGBA if anything may be transparent."""
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow would clip at 255
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    wanted = "RGBA" if image.has_transparency_data else "RGB"
    return image if image.mode == wanted else image.convert(wanted)


def _on_white(image: Image.Image) -> Image.Image:
    """RGB; what is transparent becomes white, as a page would show it."""
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
