"""Whether an image file can be stored byte for byte: Rekognition takes it, and it is no more.

Anything in doubt is drawn anew instead, which costs a little quality and no promise.
"""

import re
from typing import TYPE_CHECKING

from chalicelib.image_decoding import LONGEST_SIDE

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

# In the coded pixels of a JPEG, 0xff stands before 0 (a real 0xff) or a restart marker; anything
# else is the next marker.
_NEXT_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
_JPEG_END = 0xD9


def can_be_kept_as_is(image: "ImageFile", content: bytes, kind: str) -> bool:
    """Whether the file is an upright JPEG or PNG in Rekognition's limits that tells no place."""
    return (
        len(content) <= MAX_STORED_BYTES
        and max(image.size) <= LONGEST_SIDE
        and image.format in {"JPEG", "PNG"}  # not MPO, which holds further pictures
        and image.mode in {"RGB", "L"}
        and "transparency" not in image.info
        and not (kind == "PNG" and content[24] > 8)  # bits a channel
        and getattr(image, "n_frames", 1) == 1
        and _end_of_picture(content, kind) == len(content)
        and _is_upright_and_tells_no_place(image)
    )


def orientation_of(image: "ImageFile") -> int:
    """EXIF's orientation, 1 (upright) to 8; 1 where there is none that can be read."""
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # a picture whose EXIF is damaged is still a picture
        return 1


def _end_of_picture(content: bytes, kind: str) -> int | None:
    return _end_of_jpeg(content) if kind == "JPEG" else _end_of_png(content)


def _end_of_jpeg(content: bytes) -> int | None:
    position = 2
    while marker := _NEXT_JPEG_MARKER.search(content, position):
        if content[marker.start() + 1] == _JPEG_END:
            return marker.end()
        position = marker.end() + int.from_bytes(content[marker.end() : marker.end() + 2])
    return None


def _end_of_png(content: bytes) -> int | None:
    position = 8
    while position < len(content):
        length = int.from_bytes(content[position : position + 4])
        name = content[position + 4 : position + 8]
        position += 12 + length  # the length, the name and the checksum are 4 bytes each
        if name == b"IEND":
            return position
    return None


def _is_upright_and_tells_no_place(image: "ImageFile") -> bool:
    from PIL import IptcImagePlugin

    try:
        exif = image.getexif()
        unreadable = "exif" in image.info and not exif
        if unreadable or orientation_of(image) != 1 or _GPS_TAG in exif:
            return False
        if _IPTC_PLACES & (IptcImagePlugin.getiptcinfo(image) or {}).keys():
            return False
    except Exception:  # what cannot be read is not kept
        return False
    return not any(_PLACE_NAMES.search(text) for text in _metadata_texts(image))


def _metadata_texts(image: "ImageFile") -> list[bytes]:
    # A JPEG's segments, which hold more than Pillow tells of them (long XMP comes in several).
    segments = [data for _, data in getattr(image, "applist", [])]
    named = [value for name, value in image.info.items() if name not in {"exif", "icc_profile"}]
    return segments + [
        value if isinstance(value, bytes) else str(value).encode(errors="replace")
        for value in named
    ]
