"""Reads the size of a WebP image, because Pillow allocates two canvases when it opens the file."""

import struct


def size_of(content: bytes) -> tuple[int, int]:
    """Width and height in pixels; 0 x 0 if the header cannot be read.

    The canvas of the extended format (VP8X), else the frame of VP8 or VP8L (RFC 9649).
    """
    try:
        match content[12:16]:
            case b"VP8X":
                low, high = struct.unpack_from("<IH", content, 24)
                return (low & 0xFFFFFF) + 1, (low >> 24 | high << 8) + 1
            case b"VP8L":
                (bits,) = struct.unpack_from("<I", content, 21)
                return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
            case b"VP8 ":
                width, height = struct.unpack_from("<HH", content, 26)
                return width & 0x3FFF, height & 0x3FFF
    except struct.error:
        pass
    return 0, 0
