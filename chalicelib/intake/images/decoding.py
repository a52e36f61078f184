"""Decodes an image; its dimensions are checked before memory is allocated."""

import importlib
import io
import warnings
from typing import TYPE_CHECKING

from chalicelib.intake.images.file_structure import check_structure
from chalicelib.model.errors import ImageContentError, ImageDamaged, ImageTooLarge, ImageTooSmall

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

# Rekognition's limits, in pixels per side (developer guide, "Guidelines and quotas").
MIN_SIDE_PIXELS = 80
MAX_SIDE_PIXELS = 10_000

# For every kind of image. Up to this size, decoding, rotating and encoding fit into a Lambda
# function with 1,769 MB of memory (docs/decisions/0022).
MAX_PIXELS = 100_000_000
MAX_WEBP_PIXELS = 64_000_000  # the WebP decoder holds four copies at once

# Each kind's Pillow plugin and formats. Only this plugin is imported; Pillow would try all of them.
_DECODERS = {
    "JPEG": ("PIL.MpoImagePlugin", ("JPEG", "MPO")),
    "PNG": ("PIL.PngImagePlugin", ("PNG",)),
    "GIF": ("PIL.GifImagePlugin", ("GIF",)),
    "WEBP": ("PIL.WebPImagePlugin", ("WEBP",)),
    "AVIF": ("PIL.AvifImagePlugin", ("AVIF",)),
    "HEIC": ("pillow_heif.HeifImagePlugin", ("HEIF",)),
    "TIFF": ("PIL.TiffImagePlugin", ("TIFF",)),
    "BMP": ("PIL.BmpImagePlugin", ("BMP",)),
}


def decode(content: bytes, kind: str) -> "ImageFile":
    """The first frame, fully decoded, without EXIF's orientation applied.

    `kind` is what `kind_of` returns. Raises ImageTooSmall, ImageTooLarge, ImageTooComplex or
    ImageDamaged.
    """
    check_structure(content, kind)
    from PIL import Image

    module, formats = _DECODERS[kind]
    importlib.import_module(module)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own pixel limit; ours follows
            image = Image.open(io.BytesIO(content), formats=formats)
            _check_size(image.size, kind)
            image.load()
            _check_size(image.size, kind)  # some decoders learn the size only now
    except ImageContentError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageTooLarge(
            f"The image has more than {MAX_PIXELS:,} pixels. Send a smaller version."
        ) from error
    except Exception as error:  # decoders raise almost any exception for invalid data
        raise ImageDamaged(
            f"The file begins like a {kind} image but cannot be decoded completely: it is "
            "truncated, damaged, or of a rare variant. Open it in an image editor, save it as JPEG "
            "or PNG, and send that."
        ) from error
    return image


def _check_size(size: tuple[int, int], kind: str) -> None:
    width, height = size
    max_pixels = MAX_WEBP_PIXELS if kind == "WEBP" else MAX_PIXELS
    if width * height > max_pixels:
        raise ImageTooLarge(
            f"The {kind} image has {width} x {height} pixels, more than {max_pixels:,}. Send a "
            "smaller version."
        )
    scale = min(1.0, MAX_SIDE_PIXELS / max(width, height, 1))
    if min(width, height) * scale < MIN_SIDE_PIXELS:
        raise ImageTooSmall(
            f"The image has {width} x {height} pixels. Each side needs at least {MIN_SIDE_PIXELS}, "
            f"even after the longer side is scaled down to {MAX_SIDE_PIXELS:,}."
        )
