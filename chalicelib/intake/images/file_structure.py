"""Parses an image file into segments, chunks or blocks, to limit their number and find its end.

Pillow runs slow Python code for each part before the pixels, and for some formats the cost per part
grows with the parts before it: 25 MB of empty GIF comments take hours. So parts are counted before
decoding. Each scan of a JPEG is a pass over all of its pixels, so scans are counted too.
"""

import re
import struct
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from chalicelib.model.errors import ImageTooComplex

# Encoders write about ten parts of metadata, and one part per 8 KB or per row of pixels.
MAX_PARTS = 20_000

# Encoders write 1, 3 or 10 scans; a few write about 20.
MAX_SCANS = 64

# In a JPEG's entropy-coded data, 0xff precedes 0 (a literal 0xff) or a restart marker; anything
# else is the next marker.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
_JPEG_SCAN, _JPEG_END = b"\xff\xda", b"\xff\xd9"

_TIFF_BYTE_TYPES = {1, 2, 6, 7}


class Part(NamedTuple):
    """A JPEG segment, PNG chunk, GIF block or TIFF value at `content[start:end]`.

    `name` is a JPEG marker with its 0xff, a PNG chunk type, b"!" for a GIF sub-block, else empty.
    """

    name: bytes
    start: int
    end: int


def check_structure(content: bytes, kind: str) -> None:
    """Raise ImageTooComplex for more than MAX_PARTS parts or MAX_SCANS scans."""
    parts = scans = 0
    for part in islice(_parts_before_decoding(content, kind), MAX_PARTS + 1):
        parts += 1
        scans += part.name == _JPEG_SCAN
    if parts > MAX_PARTS or scans > MAX_SCANS:
        raise ImageTooComplex(
            f"The {kind} file has more than {MAX_PARTS:,} parts or {MAX_SCANS} scans. Open it in "
            "an image editor, save it again, and send that."
        )


def end_of_image(content: bytes, kind: str) -> int | None:
    """The offset in bytes where a JPEG or PNG image ends; None if it has no end marker."""
    last = None
    for part in jpeg_parts(content) if kind == "JPEG" else png_parts(content):
        last = part
    if last is None or last.name not in {_JPEG_END, b"IEND"}:
        return None
    return last.end


def jpeg_parts(content: bytes) -> Iterator[Part]:
    """The segments of a JPEG file, up to the end of the first image."""
    position = 2
    name = b""
    while name != _JPEG_END and (marker := _JPEG_MARKER.search(content, position)):
        # Each invalid byte between segments counts as a part.
        if name != _JPEG_SCAN:
            for offset in range(position, marker.start()):
                yield Part(b"", offset, offset + 1)
        name = marker[0]
        length = int.from_bytes(content[marker.end() : marker.end() + 2])
        position = marker.end() + (0 if name == _JPEG_END else length)
        yield Part(name, marker.start(), position)


def png_parts(content: bytes) -> Iterator[Part]:
    """The chunks of a PNG file, up to IEND."""
    position = 8
    name = b""
    while name != b"IEND" and position < len(content):
        start = position
        name = content[position + 4 : position + 8]
        # The chunk's length, type and CRC have 4 bytes each.
        position += 12 + int.from_bytes(content[position : position + 4])
        yield Part(name, start, position)


def _parts_before_decoding(content: bytes, kind: str) -> Iterator[Part]:
    match kind:
        case "JPEG":
            return jpeg_parts(content)
        case "PNG":
            return png_parts(content)
        case "GIF":
            return _gif_parts(content)
        case "TIFF":
            return _tiff_parts(content)
    return iter(())


def _gif_parts(content: bytes) -> Iterator[Part]:
    """The sub-blocks of the extensions before the first frame."""
    flags = content[10] if len(content) > 10 else 0
    position = 13 + (3 * 2 << (flags & 7) if flags & 0x80 else 0)
    while position < len(content) and content[position : position + 1] not in b",;":
        if content[position] != 0x21:  # an invalid byte, not an extension
            yield Part(b"", position, position + 1)
            position += 1
            continue
        position += 2
        while position < len(content):
            start, position = position, position + 1 + content[position]
            yield Part(b"!", start, position)
            if position == start + 1:
                break


def _tiff_parts(content: bytes) -> Iterator[Part]:
    """The values of the first IFD except bytes and text, because Pillow makes an object of each."""
    order = "<" if content.startswith(b"II") else ">"
    try:
        (directory,) = struct.unpack_from(order + "I", content, 4)
        (entries,) = struct.unpack_from(order + "H", content, directory)
        for number in range(entries):
            entry = directory + 2 + 12 * number
            _, type_, count = struct.unpack_from(order + "HHI", content, entry)
            if type_ not in _TIFF_BYTE_TYPES:
                yield from (Part(b"", entry, entry) for _ in range(count))
    except struct.error:
        return  # truncated; the decoder refuses it
