"""Decides whether an image file passes through, that is, is stored byte for byte.

It passes if Rekognition accepts it and it contains nothing but one upright image without location
data. In doubt, it is re-encoded, which loses a little quality but breaks no promise.
"""

import re
from typing import TYPE_CHECKING

from chalicelib.intake.images.decoding import MAX_SIDE_PIXELS
from chalicelib.intake.images.file_structure import end_of_image

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

# The developer guide's "15 MB", read strictly as 10^6 bytes per MB.
MAX_STORED_BYTES = 15_000_000

_ORIENTATION_TAG = 0x0112
_GPS_TAG = 0x8825

# The IPTC datasets for a location: content location, city, sublocation, state, country.
_IPTC_LOCATIONS = {(2, 26), (2, 27), (2, 90), (2, 92), (2, 95), (2, 100), (2, 101)}

# The names of location fields in XMP and in text: exif:GPSLatitude, photoshop:City,
# Iptc4xmpCore:Location …
_LOCATION_FIELDS = re.compile(rb"GPS|Location|City|Sublocation|State|Country")

# More than any camera writes; parsing more EXIF data is slow.
_MAX_EXIF_BYTES = 256 * 1024


def can_pass_through(image: "ImageFile", content: bytes, kind: str) -> bool:
    """Whether `content` may be stored byte for byte.

    True for an upright JPEG or PNG file within Rekognition's limits, in RGB or grayscale with 8
    bits per channel, without transparency, further frames, trailing bytes or location data. `image`
    is the decoded `content`, and `kind` is what `kind_of` returns.
    """
    return (
        len(content) <= MAX_STORED_BYTES
        and max(image.size) <= MAX_SIDE_PIXELS
        and image.format in {"JPEG", "PNG"}  # not MPO, which contains further images
        and image.mode in {"RGB", "L"}
        and "transparency" not in image.info
        and not (kind == "PNG" and content[24] > 8)  # bits per channel
        and getattr(image, "n_frames", 1) == 1
        and end_of_image(content, kind) == len(content)
        and _is_upright_without_location(image)
    )


def orientation_of(image: "ImageFile") -> int:
    """EXIF's orientation, 1 (upright) to 8; 1 if it is missing or unreadable."""
    if _has_too_much_exif(image):
        return 1
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # damaged EXIF data does not make an image invalid
        return 1


def _is_upright_without_location(image: "ImageFile") -> bool:
    from PIL import IptcImagePlugin

    if _has_too_much_exif(image):
        return False
    try:
        exif = image.getexif()
        unreadable = bool(image.info.get("exif")) and not exif
        if unreadable or orientation_of(image) != 1 or _GPS_TAG in exif:
            return False
        if _IPTC_LOCATIONS & (IptcImagePlugin.getiptcinfo(image) or {}).keys():
            return False
    except Exception:  # unreadable metadata may contain a location
        return False
    return not any(_LOCATION_FIELDS.search(text) for text in _metadata_texts(image))


def _has_too_much_exif(image: "ImageFile") -> bool:
    return len(image.info.get("exif") or b"") > _MAX_EXIF_BYTES


def _metadata_texts(image: "ImageFile") -> list[bytes]:
    # A JPEG's segments hold more than image.info does: long XMP spans several of them.
    segments = [data for _, data in getattr(image, "applist", [])]
    info = [value for name, value in image.info.items() if name not in {"exif", "icc_profile"}]
    return segments + [
        value if isinstance(value, bytes) else str(value).encode(errors="replace") for value in info
    ]
