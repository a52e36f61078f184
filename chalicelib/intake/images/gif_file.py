"""Parses a GIF file up to its first frame, and cuts the comments before it out."""

from chalicelib.intake.images.essentials import Essentials, check_parts

_EXTENSION, _GRAPHIC_CONTROL = 0x21, 0xF9


def essentials_of(content: bytes) -> Essentials:
    """The header, the color table, and the first frame with what controls it.

    What follows the first frame stays, because no decoder that is asked for one frame reads it.
    """
    flags = content[10] if len(content) > 10 else 0
    header_end = position = 13 + (3 * 2 << (flags & 7) if flags & 0x80 else 0)
    control = b""
    parts = 0
    while position < len(content) and content[position : position + 1] not in b",;":
        parts += 1
        check_parts("GIF", parts)
        start = position
        if content[position] != _EXTENSION:  # an invalid byte
            position += 1
            continue
        position += 2
        while position < len(content) and (length := content[position]):
            position += 1 + length
            parts += 1
            check_parts("GIF", parts)
        position += 1
        if content[start + 1 : start + 2] == bytes((_GRAPHIC_CONTROL,)):
            control = content[start:position]
    return Essentials(content[:header_end] + control + content[position:])
