"""Where the picture in a JPEG or PNG file ends, and so whether anything else travels behind it."""

import re

# In the coded pixels of a JPEG, 0xff stands before 0 (a real 0xff) or a restart marker; anything
# else is the next marker.
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
_START_OF_SCAN = 0xDA
_END_OF_IMAGE = 0xD9


def ends_where_the_picture_ends(content: bytes, kind: str) -> bool:
    """Whether the last byte of the picture is the last byte of the file."""
    end = _end_of_jpeg(content) if kind == "JPEG" else _end_of_png(content)
    return end == len(content)


def _end_of_jpeg(content: bytes) -> int | None:
    position = 2
    while marker := _NEXT_MARKER.search(content, position):
        code = content[marker.start() + 1]
        if code == _END_OF_IMAGE:
            return marker.end()
        length = int.from_bytes(content[marker.end() : marker.end() + 2])
        position = marker.end() + max(length, 2)
    return None


def _end_of_png(content: bytes) -> int | None:
    position = 8
    while position + 12 <= len(content):
        length = int.from_bytes(content[position : position + 4])
        name = content[position + 4 : position + 8]
        position += 12 + length
        if name == b"IEND":
            return position
    return None
