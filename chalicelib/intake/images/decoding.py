"""Decodes an image, after what that costs was checked."""

import importlib
import io
import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING

from chalicelib.intake.images import webp_file
from chalicelib.intake.images.decoding_cost import MAX_PIXELS, check_cost
from chalicelib.intake.images.essentials import Essentials
from chalicelib.model.errors import ImageContentError, ImageDamaged, ImageTooLarge, ImageTooSmall

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

# Rekognition's limits, in pixels per side (developer guide, "Guidelines and quotas").
MIN_SIDE_PIXELS = 80
MAX_SIDE_PIXELS = 10_000

# Each kind's Pillow plugin and formats. Only this plugin is used; Pillow would try all of them.
_DECODERS = {
    "JPEG": ("PIL.JpegImagePlugin", ("JPEG",)),
    "PNG": ("PIL.PngImagePlugin", ("PNG",)),
    "GIF": ("PIL.GifImagePlugin", ("GIF",)),
    "WEBP": ("PIL.WebPImagePlugin", ("WEBP",)),
    "AVIF": ("PIL.AvifImagePlugin", ("AVIF",)),
    "HEIC": ("pillow_heif.HeifImagePlugin", ("HEIF",)),
    "TIFF": ("PIL.TiffImagePlugin", ("TIFF",)),
    "BMP": ("PIL.BmpImagePlugin", ("BMP",)),
}


def load_decoders() -> None:
    """Import every decoder that is installed, each with one thread."""
    for module, _ in _DECODERS.values():
        if find_spec(module.partition(".")[0]):
            importlib.import_module(module)
    from PIL import Image

    Image.preinit()  # what saving an image imports
    # Several threads hold several pictures, and a function has one CPU.
    from PIL import AvifImagePlugin

    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    if find_spec("pillow_heif"):
        import pillow_heif

        pillow_heif.options.DECODE_THREADS = 1


def decode(file: Essentials, kind: str) -> "ImageFile":
    """The first frame, fully decoded, without EXIF's orientation applied.

    `kind` is what `kind_of` returns. Raises ImageTooSmall, ImageTooLarge, ImageTooComplex,
    ImageDamaged, or MemoryError.
    """
    from PIL import Image

    module, formats = _DECODERS[kind]
    importlib.import_module(module)
    if kind == "WEBP":
        _check_pixels(webp_file.size_of(file.content))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own pixel limit; ours follows
            image = Image.open(io.BytesIO(file.content), formats=formats)
            _check_size(image.size)
            check_cost(image, file, kind)
            image.load()
            _check_size(image.size)  # some decoders learn the size only now
    except (ImageContentError, MemoryError):
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


def _check_size(size: tuple[int, int]) -> None:
    _check_pixels(size)
    width, height = size
    scale = min(1.0, MAX_SIDE_PIXELS / max(width, height, 1))
    if min(width, height) * scale < MIN_SIDE_PIXELS:
        raise ImageTooSmall(
            f"The image has {width} x {height} pixels. Each side needs at least {MIN_SIDE_PIXELS}, "
            f"even after the longer side is scaled down to {MAX_SIDE_PIXELS:,}."
        )


def _check_pixels(size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise ImageTooLarge(
            f"The image has {width} x {height} pixels, more than {MAX_PIXELS:,}. Send a smaller "
            "version."
        )
