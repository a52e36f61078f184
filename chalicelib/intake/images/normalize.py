"""Normalizes a decoded image: upright, on a white background, 8 bits per channel."""

from typing import TYPE_CHECKING, cast

from chalicelib.intake.images.decoding import MAX_SIDE_PIXELS
from chalicelib.intake.images.passthrough import orientation_of

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile


def normalize(image: "ImageFile") -> "Image":
    """The pixels of `image` in mode RGB or L, scaled down to MAX_SIDE_PIXELS; closes `image`.

    All metadata is removed except an RGB image's color profile, which defines its colors.
    """
    from PIL.Image import Resampling

    orientation = orientation_of(image)
    profile = image.info.get("icc_profile") if image.mode in {"RGB", "RGBA"} else None
    if max(image.size) > MAX_SIDE_PIXELS:
        image.thumbnail((MAX_SIDE_PIXELS, MAX_SIDE_PIXELS), Resampling.LANCZOS, reducing_gap=2.0)
    normalized = _on_white(_eight_bits(image))
    image.close()  # frees its pixels before the rotated copy needs as much memory
    normalized = _upright(normalized, orientation)
    normalized.info = {"icc_profile": profile} if profile else {}
    return normalized


def _eight_bits(image: "Image") -> "Image":
    if not image.mode.startswith(("I", "F")):
        return image
    values = image.convert("I" if image.mode.startswith("I") else "F").convert("F")
    # 16 bits have a fixed range. For 32 bits and floats, the range is that of the pixels.
    low, high = (0.0, 65535.0) if ";16" in image.mode else cast("tuple[float, float]",
                                                                values.getextrema())  # fmt: skip
    scale = 255.0 / ((high - low) or 1.0)
    return values.point(lambda value: value * scale + (-low * scale)).convert("L")


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
