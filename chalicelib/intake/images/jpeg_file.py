"""Parses a JPEG file into segments and keeps what decoding and color need."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from chalicelib.intake.images.color_profile import MAX_PROFILE_BYTES, checked_profile
from chalicelib.intake.images.essentials import MAX_SCANS, Essentials, check_parts, too_complex
from chalicelib.intake.images.orientation import MAX_EXIF_BYTES, orientation_in

# In entropy-coded data, 0xff precedes 0 (a literal 0xff) or a restart marker; anything else is the
# next marker.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)

_START, _SCAN, _END = 0xD8, 0xDA, 0xD9
_APP0, _APP1, _APP2, _APP14 = 0xE0, 0xE1, 0xE2, 0xEE

# Frames (but for hierarchical ones), Huffman and arithmetic tables, scans, quantization tables,
# the number of lines, restart intervals. What is left of APPn and COM is decided below.
_DECODING = frozenset({*range(0xC0, 0xD0), _SCAN, 0xDB, 0xDC, 0xDD} - {0xC8})

_JFIF, _EXIF, _XMP = b"JFIF\0", b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_PROFILE, _ADOBE = b"ICC_PROFILE\0", b"Adobe"

_ADOBE_BYTES = 12
_JFIF_BYTES = 12  # without the thumbnail, whose sides are the 2 bytes that follow

# A segment has at most 65,533 bytes of data, of which the profile's name and number take 14.
_PROFILE_PIECE_BYTES = 65_519


class Segment(NamedTuple):
    """A segment: its marker's second byte, its data, and the entropy-coded data that follows it."""

    marker: int
    data: bytes
    scan: bytes


def essentials_of(content: bytes) -> Essentials:
    """The first image of a JPEG file: the segments for decoding, JFIF, Adobe and color profile.

    Raises ImageTooComplex for more than MAX_PARTS segments or MAX_SCANS scans.
    """
    kept = [b"\xff\xd8"]
    metadata = _Metadata()
    profile_at = scans = 0
    marker = _START
    for number, (marker, data, scan) in enumerate(_segments(content), start=1):
        check_parts("JPEG", number)
        if marker in _DECODING:
            kept.append(_segment(marker, data) + scan)
            scans += marker == _SCAN
            _check_scans(scans)
        elif marker == _APP0 and data.startswith(_JFIF) and len(kept) == 1:
            kept.append(_segment(_APP0, data[:_JFIF_BYTES] + b"\0\0"))
        elif marker == _APP14 and data.startswith(_ADOBE):
            kept.append(_segment(_APP14, data[:_ADOBE_BYTES]))
        elif marker == _APP2 and data.startswith(_PROFILE):
            profile_at = profile_at or len(kept)
            metadata.add_profile_piece(data)
        elif marker == _APP1:
            metadata.add(data)
    is_complete = marker == _END
    if is_complete:
        kept.append(b"\xff\xd9")
    kept[profile_at:profile_at] = metadata.profile_segments()
    orientation = orientation_in(metadata.exif, metadata.xmp)
    return Essentials(b"".join(kept), orientation, max(scans, 1), is_complete)


class _Metadata:
    """What the segments of EXIF, XMP and color profile have, which may be several of each."""

    def __init__(self) -> None:
        self.exif = b""
        self.xmp = b""
        self._profile: dict[int, bytes] = {}

    def add(self, data: bytes) -> None:
        """Add the data of a segment APP1."""
        if data.startswith(_EXIF) and len(self.exif) <= MAX_EXIF_BYTES:
            self.exif += data[len(_EXIF) :]
        elif data.startswith(_XMP):
            self.xmp = self.xmp or data

    def add_profile_piece(self, data: bytes) -> None:
        """Add a piece of the color profile, whose number follows the segment's name."""
        self._profile.setdefault(data[12] if len(data) > 12 else 0, data[14:])

    def profile_segments(self) -> list[bytes]:
        """The color profile in segments APP2; none if it is unusable or too large."""
        pieces = [self._profile[number] for number in sorted(self._profile)]
        if sum(map(len, pieces)) > MAX_PROFILE_BYTES:
            return []
        profile = checked_profile(b"".join(pieces)) or b""
        starts = range(0, len(profile), _PROFILE_PIECE_BYTES)
        return [
            _segment(
                _APP2,
                _PROFILE
                + bytes((number, len(starts)))
                + profile[start : start + _PROFILE_PIECE_BYTES],
            )
            for number, start in enumerate(starts, start=1)
        ]


def _segments(content: bytes) -> Iterator[Segment]:
    """The segments up to the end of the first image; bytes between them are skipped."""
    position = 2
    marker = _START
    while marker != _END and (found := _MARKER.search(content, position)):
        marker = found[0][1]
        if marker in {_END, _START, 0x01}:  # these have no length
            position = found.end()
            yield Segment(marker, b"", b"")
            continue
        length = int.from_bytes(content[found.end() : found.end() + 2])
        position = found.end() + length
        scan_end = position
        if marker == _SCAN:
            following = _MARKER.search(content, position)
            scan_end = following.start() if following else len(content)
        yield Segment(marker, content[found.end() + 2 : position], content[position:scan_end])


def _segment(marker: int, data: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(data) + 2).to_bytes(2) + data


def _check_scans(scans: int) -> None:
    if scans > MAX_SCANS:
        raise too_complex("JPEG", f"more than {MAX_SCANS} scans", f"{MAX_SCANS} scans")
