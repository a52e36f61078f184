"""Reduces a TIFF file to the first image and the tags that decoding it needs.

Pillow reads the values of every tag, and libtiff and Pillow's EXIF parser read them again. Values
may overlap, so 4,000 tags of a 700 kB file are gigabytes.
"""

import struct

from chalicelib.intake.images.color_profile import MAX_PROFILE_BYTES
from chalicelib.intake.images.essentials import MAX_PARTS, Essentials, check_parts, too_complex

_PROFILE = 34675

# Size, bits, compression, color model, fill order, strips, orientation, samples, planes, fax
# options, predictor, palette, tiles, inks, extra samples, sample format and range, JPEG in both
# ways, YCbCr, color profile.
_DECODING = frozenset(
    {256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 280, 281, 284, 292, 293, 317, 320,
     322, 323, 324, 325, 332, 334, 338, 339, 340, 341, 347, 512, 513, 514, 515, 517, 518, 519,
     520, 521, 529, 530, 531, 532, _PROFILE}
)  # fmt: skip

_BYTE_TYPES = {1, 2, 6, 7}  # Pillow makes an object of each value of every other type

_MAX_TAGS = 4096  # cameras write about 60, scientific instruments some hundreds


def essentials_of(content: bytes) -> Essentials:
    """The file with a new directory at its end, which has the tags for decoding only.

    Raises ImageTooComplex for more than MAX_PARTS values or 4,096 tags.
    """
    order = "<" if content.startswith(b"II") else ">"
    try:
        (directory,) = struct.unpack_from(order + "I", content, 4)
        (count,) = struct.unpack_from(order + "H", content, directory)
        if count > _MAX_TAGS:
            raise too_complex("TIFF", f"{count:,} tags", f"{_MAX_TAGS:,} tags")
        entries = _entries(content, order, directory, count)
    except struct.error:
        return Essentials(content)  # truncated; the decoder refuses it
    start = len(content) + len(content) % 2
    return Essentials(
        content[:4]
        + struct.pack(order + "I", start)
        + content[8:].ljust(start - 8, b"\0")
        + struct.pack(order + "H", len(entries))
        + b"".join(entries)
        + bytes(4)  # no further image
    )


def _entries(content: bytes, order: str, directory: int, count: int) -> list[bytes]:
    kept: dict[int, bytes] = {}
    values = 0
    for number in range(count):
        start = directory + 2 + 12 * number
        tag, type_, length = struct.unpack_from(order + "HHI", content, start)
        if tag not in _DECODING or tag in kept:
            continue
        if type_ not in _BYTE_TYPES:
            values += length
            check_parts("TIFF", values)
        elif length > (MAX_PROFILE_BYTES if tag == _PROFILE else MAX_PARTS * 8):
            continue
        kept[tag] = content[start : start + 12]
    return list(kept.values())
