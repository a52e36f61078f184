"""Pixels from the bytes of an image, within limits that are checked before memory is taken."""

import importlib
import io
import warnings
from typing import TYPE_CHECKING

from chalicelib.intake.images.file_structure import check_structure
from chalicelib.model.errors import ImageContentError, ImageDamaged, ImageTooLarge, ImageTooSmall

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

# Rekognition's, in pixels a side (developer guide, "Guidelines and quotas").
SHORTEST_SIDE = 80
LONGEST_SIDE = 10_000

# Of any kind, whatever its sides. With this many, decoding, turning and writing stay within a
# Lambda function of 1,769 MB (docs/decisions/0022).
MAX_PIXELS = 100_000_000
MAX_WEBP_PIXELS = 64_000_000  # its decoder holds four copies at once

# Each kind's decoder, imported alone: Pillow would try every decoder that it has.
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
    """The first frame, decoded to its end, as it lies in the file.

    Raises ImageTooSmall, ImageTooLarge, ImageTooComplex or ImageDamaged.
    """
    check_structure(content, kind)
    from PIL import Image

    module, formats = _DECODERS[kind]
    importlib.import_module(module)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's limit of pixels; ours follows
            image = Image.open(io.BytesIO(content), formats=formats)
            _check_size(image.size, kind)
            image.load()
            _check_size(image.size, kind)  # a decoder may find out only now
    except ImageContentError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageTooLarge(
            f"The image has more than {MAX_PIXELS:,} pixels. Send a smaller version."
        ) from error
    except Exception as error:  # decoders raise nearly anything for bytes that make no sense
        raise ImageDamaged(
            f"The file begins like a {kind} image but cannot be decoded to its end: it is cut "
            "short, damaged, or of a rare variety. Open it in an image editor, save it again as "
            "JPEG or PNG and send that."
        ) from error
    return image


def _check_size(size: tuple[int, int], kind: str) -> None:
    width, height = size
    most = MAX_WEBP_PIXELS if kind == "WEBP" else MAX_PIXELS
    if width * height > most:
        raise ImageTooLarge(
            f"The {kind} image has {width} x {height} pixels, more than {most:,}. Send a smaller "
            "version."
        )
    scale = min(1.0, LONGEST_SIDE / max(width, height, 1))
    if min(width, height) * scale < SHORTEST_SIDE:
        raise ImageTooSmall(
            f"The image has {width} x {height} pixels. Each side needs at least {SHORTEST_SIDE}, "
            f"also once the longer one is scaled down to {LONGEST_SIDE:,}."
        )
