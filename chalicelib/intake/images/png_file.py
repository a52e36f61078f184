"""Parses a PNG file into chunks and keeps what decoding and color need."""

import zlib
from collections.abc import Iterator
from typing import NamedTuple

from chalicelib.intake.images.color_profile import MAX_PROFILE_BYTES, checked_profile
from chalicelib.intake.images.essentials import Essentials, check_parts
from chalicelib.intake.images.orientation import MAX_EXIF_BYTES, orientation_in
from chalicelib.model.errors import ImageDamaged

_SIGNATURE = b"\x89PNG\r\n\x1a\n"

# The chunks that are kept once, with the longest data that they may have; IDAT is kept always, and
# iCCP is written anew. An animation loses its frames and keeps its default image.
_MAX_BYTES = {
    b"IHDR": 13,
    b"PLTE": 768,
    b"tRNS": 256,
    b"gAMA": 4,
    b"cHRM": 32,
    b"sRGB": 1,
    b"cICP": 4,
}

_PROFILE_NAME = b"ICC Profile\0\0"  # which many programs write; the second 0 is the method

# Where an orientation may be, besides eXIf: ImageMagick's way before PNG had eXIf, and XMP.
_RAW_EXIF, _XMP = b"Raw profile type exif\0", b"XML:com.adobe.xmp\0"


class Chunk(NamedTuple):
    """A chunk: its type, its data, and all of its bytes with length and checksum."""

    name: bytes
    data: bytes
    whole: bytes


def essentials_of(content: bytes) -> Essentials:
    """The image of a PNG file: header, palette, pixels, transparency and the chunks of color.

    Raises ImageDamaged if the file does not begin with its header.
    """
    kept = {_SIGNATURE: _SIGNATURE}
    pixels: list[bytes] = []
    exif, xmp = b"", b""
    name = b""
    for number, (name, data, whole) in enumerate(_chunks(content), start=1):
        check_parts("PNG", number)
        if number == 1:
            _check_first(name)
        if name == b"IDAT":
            pixels.append(whole)
        elif len(data) <= _MAX_BYTES.get(name, -1):
            kept.setdefault(name, whole)
        elif name == b"iCCP" and name not in kept:
            kept[name] = _profile_chunk(data)
        elif name == b"eXIf":
            exif = exif or data[: MAX_EXIF_BYTES + 1]
        elif name in {b"tEXt", b"zTXt"} and data.startswith(_RAW_EXIF):
            exif = exif or _raw_exif(name, data[len(_RAW_EXIF) :])
        elif name == b"iTXt" and data.startswith(_XMP):
            xmp = xmp or _international_text(data[len(_XMP) :])
    is_complete = name == b"IEND"
    end = _chunk(b"IEND", b"") if is_complete else b""
    parts = (*kept.values(), *pixels, end)
    return Essentials(b"".join(parts), orientation_in(exif, xmp), is_complete=is_complete)


def _chunks(content: bytes) -> Iterator[Chunk]:
    """The chunks of a PNG file, up to IEND."""
    position = len(_SIGNATURE)
    name = b""
    while name != b"IEND" and position < len(content):
        start = position
        name = content[position + 4 : position + 8]
        # The chunk's length, type and CRC have 4 bytes each.
        position += 12 + int.from_bytes(content[position : position + 4])
        yield Chunk(name, content[start + 8 : position - 4], content[start:position])


def _check_first(name: bytes) -> None:
    if name != b"IHDR":
        raise ImageDamaged(
            f"The PNG file begins with the chunk {name!r}, not with IHDR. Open it in an image "
            "editor, save it again, and send that."
        )


def _chunk(name: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(name + data)
    return len(data).to_bytes(4) + name + data + checksum.to_bytes(4)


def _profile_chunk(data: bytes) -> bytes:
    """An iCCP chunk without the free text of the old one; empty if it has no usable profile."""
    name_end = data.find(b"\0", 0, 80)
    # The name's end is followed by a byte for the method, which is always 0.
    profile = checked_profile(_inflated(data[name_end + 2 :], MAX_PROFILE_BYTES + 1))
    return b"" if profile is None else _chunk(b"iCCP", _PROFILE_NAME + zlib.compress(profile))


def _raw_exif(name: bytes, text: bytes) -> bytes:
    """The EXIF data that ImageMagick wrote as hex digits, after a line each of name and length."""
    if name == b"zTXt":
        text = _inflated(text[1:], 2 * MAX_EXIF_BYTES)
    try:
        return bytes.fromhex("".join(text.decode("latin-1").split("\n")[3:]))
    except ValueError:
        return b""


def _international_text(data: bytes) -> bytes:
    compressed = data[:1] == b"\1"
    *_, text = data[2:].split(b"\0", 2)
    return _inflated(text, MAX_EXIF_BYTES) if compressed else text[:MAX_EXIF_BYTES]


def _inflated(data: bytes, max_bytes: int) -> bytes:
    """At most `max_bytes` of what was compressed; empty if it is damaged."""
    try:
        return zlib.decompressobj().decompress(data, max_bytes)
    except zlib.error:
        return b""
