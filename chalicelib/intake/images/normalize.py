"""Normalizes a decoded image: upright, on a white background, 8 bits per channel."""

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from chalicelib.intake.images.color_profile import checked_profile
from chalicelib.intake.images.decoding import MAX_SIDE_PIXELS
from chalicelib.intake.images.essentials import Essentials
from chalicelib.intake.images.passthrough import orientation_of

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

# Converting takes up to four copies of the pixels, so only this many are converted at a time.
_BAND_PIXELS = 1_000_000


def normalize(image: "ImageFile", file: Essentials) -> "Image":
    """The pixels of `image` in mode RGB or L, scaled down to MAX_SIDE_PIXELS; closes `image`.

    `image` is the decoded `file`. All metadata is removed except an RGB image's color profile,
    which defines its colors.
    """
    from PIL.Image import Resampling

    orientation = orientation_of(image, file)
    in_rgb = image.mode in {"RGB", "RGBA"}
    profile = checked_profile(image.info.get("icc_profile")) if in_rgb else None
    if max(image.size) > MAX_SIDE_PIXELS:
        image.thumbnail((MAX_SIDE_PIXELS, MAX_SIDE_PIXELS), Resampling.LANCZOS, reducing_gap=2.0)
    scale, offset = _scale_to_eight_bits(image)
    normalized = _in_bands(image, lambda band: _on_white(_eight_bits(band, scale, offset)))
    image.close()  # frees its pixels before the rotated copy needs as much memory
    normalized = _upright(normalized, orientation)
    normalized.info = {"icc_profile": profile} if profile else {}
    return normalized


def _in_bands(image: "Image", convert: "Callable[[Image], Image]") -> "Image":
    """What `convert` makes of the whole image, a band of rows at a time."""
    from PIL import Image

    rows = max(1, _BAND_PIXELS // image.width)
    converted = None
    for top in range(0, image.height, rows):
        box = (0, top, image.width, min(top + rows, image.height))
        band = convert(image.crop(box))
        if converted is None:
            converted = Image.new(band.mode, image.size)
        converted.paste(band, (0, top))
    return cast("Image.Image", converted)


def _scale_to_eight_bits(image: "Image") -> tuple[float, float]:
    """The factor and offset that take the values of an image with one wide channel to 0 to 255."""
    if not image.mode.startswith(("I", "F")):
        return 1.0, 0.0
    # 16 bits have a fixed range. For 32 bits and floats, the range is that of the pixels.
    sixteen = ";16" in image.mode
    extrema = (0.0, 65535.0) if sixteen else cast("tuple[float, float]", image.getextrema())
    low, high = extrema
    scale = 255.0 / ((high - low) or 1.0)
    return scale, -low * scale


def _eight_bits(image: "Image", scale: float, offset: float) -> "Image":
    if not image.mode.startswith(("I", "F")):
        return image
    values = image.convert("I" if image.mode.startswith("I") else "F").convert("F")
    return values.point(lambda value: value * scale + offset).convert("L")


def _on_white(image: "Image") -> "Image":
    from PIL import Image

    if image.has_transparency_data:
        rgba = image if image.mode == "RGBA" else image.convert("RGBA")
        background = Image.new("RGB", image.size, "white")
        background.paste(rgba, mask=rgba)
        return background
    mode = "L" if image.mode in {"L", "1"} else "RGB"
    return image.convert(mode)


def _upright(image: "Image", orientation: int) -> "Image":
    from PIL.Image import Transpose

    transpose = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }.get(orientation)
    return image if transpose is None else image.transpose(transpose)
