"""Whether an image file can be stored byte for byte: Rekognition takes it, and it is no more.

Anything in doubt is drawn anew instead, which costs a little quality and no promise.
"""

import re
from typing import TYPE_CHECKING

from chalicelib.intake.images.decoding import LONGEST_SIDE
from chalicelib.intake.images.file_structure import end_of_image

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

# "15 MB" of the developer guide in its stricter reading.
MAX_STORED_BYTES = 15_000_000

_ORIENTATION_TAG = 0x0112
_GPS_TAG = 0x8825

# IPTC's datasets that name a place: content location, city, sublocation, state, country.
_IPTC_PLACES = {(2, 26), (2, 27), (2, 90), (2, 92), (2, 95), (2, 100), (2, 101)}

# As XMP and plain text name them (exif:GPSLatitude, photoshop:City, Iptc4xmpCore:Location …).
_PLACE_NAMES = re.compile(rb"GPS|Location|City|Sublocation|State|Country")

# More than any camera writes; a larger one would take long to read.
_MAX_EXIF_BYTES = 256 * 1024


def can_pass_through(image: "ImageFile", content: bytes, kind: str) -> bool:
    """Whether the file is an upright JPEG or PNG in Rekognition's limits that tells no place."""
    return (
        len(content) <= MAX_STORED_BYTES
        and max(image.size) <= LONGEST_SIDE
        and image.format in {"JPEG", "PNG"}  # not MPO, which holds further pictures
        and image.mode in {"RGB", "L"}
        and "transparency" not in image.info
        and not (kind == "PNG" and content[24] > 8)  # bits a channel
        and getattr(image, "n_frames", 1) == 1
        and end_of_image(content, kind) == len(content)
        and _is_upright_and_tells_no_place(image)
    )


def orientation_of(image: "ImageFile") -> int:
    """EXIF's orientation, 1 (upright) to 8; 1 where there is none that can be read."""
    if _has_too_much_exif(image):
        return 1
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # a picture whose EXIF is damaged is still a picture
        return 1


def _is_upright_and_tells_no_place(image: "ImageFile") -> bool:
    from PIL import IptcImagePlugin

    if _has_too_much_exif(image):
        return False
    try:
        exif = image.getexif()
        unreadable = bool(image.info.get("exif")) and not exif
        if unreadable or orientation_of(image) != 1 or _GPS_TAG in exif:
            return False
        if _IPTC_PLACES & (IptcImagePlugin.getiptcinfo(image) or {}).keys():
            return False
    except Exception:  # what cannot be read is not kept
        return False
    return not any(_PLACE_NAMES.search(text) for text in _metadata_texts(image))


def _has_too_much_exif(image: "ImageFile") -> bool:
    return len(image.info.get("exif") or b"") > _MAX_EXIF_BYTES


def _metadata_texts(image: "ImageFile") -> list[bytes]:
    # A JPEG's segments, which hold more than Pillow tells of them (long XMP comes in several).
    segments = [data for _, data in getattr(image, "applist", [])]
    named = [value for name, value in image.info.items() if name not in {"exif", "icc_profile"}]
    return segments + [
        value if isinstance(value, bytes) else str(value).encode(errors="replace")
        for value in named
    ]
