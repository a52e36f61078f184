"""A decoded image as the plain picture that everyone sees: upright, on white, 8 bits a channel."""

from typing import TYPE_CHECKING, cast

from chalicelib.intake.images.decoding import LONGEST_SIDE
from chalicelib.intake.images.passthrough import orientation_of

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile


def normalize(image: "ImageFile") -> "Image":
    """The picture alone, in RGB or grey, within Rekognition's longest side; closes `image`.

    Of all metadata only an RGB picture's color profile stays, since it says which colors are meant.
    """
    from PIL.Image import Resampling

    orientation = orientation_of(image)
    profile = image.info.get("icc_profile") if image.mode in {"RGB", "RGBA"} else None
    if max(image.size) > LONGEST_SIDE:
        image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Resampling.LANCZOS, reducing_gap=2.0)
    picture = _on_white(_eight_bits(image))
    image.close()  # gives its pixels back before the turned copy takes as much again
    picture = _turned(picture, orientation)
    picture.info = {"icc_profile": profile} if profile else {}
    return picture


def _eight_bits(image: "Image") -> "Image":
    if not image.mode.startswith(("I", "F")):
        return image
    values = image.convert("I" if image.mode.startswith("I") else "F").convert("F")
    # 16 bits have a range of their own; 32 bits and real numbers have what the picture uses.
    low, high = (0.0, 65535.0) if ";16" in image.mode else cast("tuple[float, float]",
                                                                values.getextrema())  # fmt: skip
    scale = 255.0 / ((high - low) or 1.0)
    return values.point(lambda value: value * scale + (-low * scale)).convert("L")


def _on_white(image: "Image") -> "Image":
    from PIL import Image

    if image.has_transparency_data:
        layer = image if image.mode == "RGBA" else image.convert("RGBA")
        paper = Image.new("RGB", image.size, "white")
        paper.paste(layer, mask=layer)
        return paper
    mode = "L" if image.mode in {"L", "1"} else "RGB"
    return image.convert(mode)


def _turned(image: "Image", orientation: int) -> "Image":
    from PIL.Image import Transpose

    turn = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }.get(orientation)
    return image if turn is None else image.transpose(turn)
