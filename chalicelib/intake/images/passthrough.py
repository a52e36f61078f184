"""Decides whether an image file passes through, that is, is stored without re-encoding it."""

from typing import TYPE_CHECKING

from chalicelib.intake.images.decoding import MAX_SIDE_PIXELS
from chalicelib.intake.images.essentials import Essentials
from chalicelib.intake.images.orientation import orientation_in

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

# The developer guide's "15 MB", read strictly as 10^6 bytes per MB.
MAX_STORED_BYTES = 15_000_000


def can_pass_through(image: "ImageFile", file: Essentials) -> bool:
    """Whether the essentials of a file may be stored as they are.

    True for a complete, upright JPEG or PNG within Rekognition's limits, in RGB or grayscale with 8
    bits per channel and without transparency. `image` is the decoded `file`.
    """
    return (
        len(file.content) <= MAX_STORED_BYTES
        and max(image.size) <= MAX_SIDE_PIXELS
        and image.format in {"JPEG", "PNG"}
        and image.mode in {"RGB", "L"}
        and "transparency" not in image.info
        and not (image.format == "PNG" and file.content[24] > 8)  # bits per channel
        and file.is_complete
        and file.orientation == 1
    )


def orientation_of(image: "ImageFile", file: Essentials) -> int:
    """EXIF's orientation, 1 (upright) to 8; 1 if it is missing or unreadable."""
    if file.orientation is not None:
        return file.orientation
    if image.format == "TIFF":  # whose tags are EXIF's; decoding has turned the image
        return int(image.getexif().get(0x0112, 1))
    return orientation_in(image.info.get("exif") or b"", image.info.get("xmp") or b"")
