"""Pixels from the bytes of an image, within limits that are checked before memory is taken."""

import importlib
import io
import warnings
from typing import TYPE_CHECKING

from chalicelib.errors import ImageContentError, ImageDamaged, ImageTooLarge, ImageTooSmall
from chalicelib.image_ends import ends_where_the_picture_ends

if TYPE_CHECKING:
    from PIL.Image import Exif, Image

# Rekognition's, in pixels a side.
SHORTEST_SIDE = 80
LONGEST_SIDE = 10_000

# Of any kind, whatever its sides. Decoded and turned, this many pixels stay within a Lambda
# function of 1,769 MB (docs/decisions/0022).
MAX_PIXELS = 100_000_000

_MODULES_AND_FORMATS = {
    "JPEG": ("PIL.MpoImagePlugin", ("JPEG", "MPO")),
    "PNG": ("PIL.PngImagePlugin", ("PNG",)),
    "GIF": ("PIL.GifImagePlugin", ("GIF",)),
    "WEBP": ("PIL.WebPImagePlugin", ("WEBP",)),
    "AVIF": ("PIL.AvifImagePlugin", ("AVIF",)),
    "HEIC": ("pillow_heif.HeifImagePlugin", ("HEIF",)),
    "TIFF": ("PIL.TiffImagePlugin", ("TIFF",)),
    "BMP": ("PIL.BmpImagePlugin", ("BMP",)),
}

_ORIENTATION = 0x0112
_GPS = 0x8825
_PLACE_NAMES = (b"GPS", b"Location", b"City", b"Country", b"Sublocation", b"State")


def decode(content: bytes, kind: str) -> "Image":
    """The first frame, decoded to its end, as it lies in the file.

    Raises ImageTooSmall, ImageTooLarge or ImageDamaged.
    """
    from PIL import Image

    module, formats = _MODULES_AND_FORMATS[kind]
    importlib.import_module(module)  # only the one decoder; Pillow would load them all
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our limit is below
            image = Image.open(io.BytesIO(content), formats=formats)
            _check_size(*image.size)
            image.load()
    except ImageContentError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageTooLarge(
            f"The image has more than {MAX_PIXELS:,} pixels. Send a smaller version."
        ) from error
    except Exception as error:  # decoders raise nearly anything for bytes that make no sense
        raise ImageDamaged(
            f"The file begins like a {kind} image but cannot be decoded to its end: it is cut "
            "short or damaged. Open it in an image editor, save it again and send that."
        ) from error
    return image


def _check_size(width: int, height: int) -> None:
    shrunk = min(1.0, LONGEST_SIDE / max(width, height, 1))
    if min(width, height) * shrunk < SHORTEST_SIDE:
        raise ImageTooSmall(
            f"The image has {width} x {height} pixels. Each side needs at least {SHORTEST_SIDE}, "
            f"also once the longer one is scaled to at most {LONGEST_SIDE:,}."
        )
    if width * height > MAX_PIXELS:
        raise ImageTooLarge(
            f"The image has {width} x {height} pixels, more than {MAX_PIXELS:,}. Send a smaller "
            "version."
        )


def is_upright_and_plain(image: "Image", content: bytes, kind: str) -> bool:
    """Whether Rekognition and everyone else can have the file as it is."""
    return (
        image.format in {"JPEG", "PNG"}
        and max(image.size) <= LONGEST_SIDE
        and image.mode in {"RGB", "L"}
        and "transparency" not in image.info
        and not (kind == "PNG" and content[24] > 8)  # bits a channel
        and getattr(image, "n_frames", 1) == 1
        and ends_where_the_picture_ends(content, kind)
        and _says_nothing_of_place_or_turn(image)
    )


def _says_nothing_of_place_or_turn(image: "Image") -> bool:
    from PIL import IptcImagePlugin

    try:
        exif = image.getexif()
        if exif.get(_ORIENTATION, 1) != 1 or exif.get_ifd(_GPS) or _GPS in exif:
            return False
        if IptcImagePlugin.getiptcinfo(image):
            return False
    except Exception:  # metadata that cannot be read is not kept
        return False
    metadata = b"".join(
        value.encode(errors="replace") if isinstance(value, str) else value
        for name, value in image.info.items()
        if isinstance(value, str | bytes) and name not in {"exif", "icc_profile"}
    )
    return not any(name in metadata for name in _PLACE_NAMES)


def upright_on_white(image: "Image") -> "Image":
    """The picture alone, in RGB or grey: turned as EXIF says, scaled to fit, without metadata."""
    from PIL import Image, ImageOps

    exif = _readable_exif(image)
    if max(image.size) > LONGEST_SIDE:
        image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    plain = _eight_bits_on_white(image)
    plain.info.clear()
    plain.getexif().clear()
    if exif is not None and exif.get(_ORIENTATION, 1) != 1:
        plain.getexif()[_ORIENTATION] = exif[_ORIENTATION]
        ImageOps.exif_transpose(plain, in_place=True)
        plain.getexif().clear()
    return plain


def _readable_exif(image: "Image") -> "Exif | None":
    try:
        return image.getexif()
    except Exception:  # a picture whose EXIF is damaged is still a picture
        return None


def _eight_bits_on_white(image: "Image") -> "Image":
    from PIL import Image

    if image.mode.startswith(("I", "F")):
        lowest, highest = (0.0, 65535.0) if ";16" in image.mode else image.getextrema()
        scale = 255.0 / ((highest - lowest) or 1.0)
        return image.convert("F").point(lambda value: value * scale - lowest * scale).convert("L")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        background = Image.new("RGB", image.size, "white")
        background.paste(layer, mask=layer.getchannel("A"))
        return background
    return image.convert("L" if image.mode in {"L", "1"} else "RGB")
