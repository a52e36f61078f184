"""Finds EXIF's orientation, and nothing else of EXIF.

Pillow reads the values of every tag, which may overlap: 256 KB of EXIF data can be gigabytes.
"""

import re
import struct

# More than any camera writes before the first directory's end.
MAX_EXIF_BYTES = 256 * 1024

_ORIENTATION_TAG = 0x0112
_TYPES = {1: "B", 3: "H", 4: "I"}  # BYTE, SHORT (as it should be), LONG
_IN_XMP = re.compile(rb'tiff:Orientation(?:="|>)([1-8])')


def orientation_in(exif: bytes, xmp: bytes = b"") -> int:
    """EXIF's orientation, 1 (upright) to 8, from EXIF data, else from XMP; 1 if neither has one.

    EXIF data that cannot be read, or that is over MAX_EXIF_BYTES, has none.
    """
    found = _in_exif(exif.removeprefix(b"Exif\0\0")) if len(exif) <= MAX_EXIF_BYTES else None
    if found is None:
        in_xmp = _IN_XMP.search(xmp)
        return int(in_xmp[1]) if in_xmp else 1
    return found if 1 <= found <= 8 else 1


def _in_exif(exif: bytes) -> int | None:
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return None
    try:
        (directory,) = struct.unpack_from(order + "I", exif, 4)
        (entries,) = struct.unpack_from(order + "H", exif, directory)
        for number in range(entries):
            entry = directory + 2 + 12 * number
            tag, type_ = struct.unpack_from(order + "HH", exif, entry)
            if tag == _ORIENTATION_TAG and type_ in _TYPES:
                return int(struct.unpack_from(order + _TYPES[type_], exif, entry + 8)[0])
    except struct.error:
        return None
    return None
