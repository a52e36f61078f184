"""What decoding and color need of a file: the only part of it that a decoder sees and S3 stores.

Everything else is cut out, without touching the pixels, before a decoder sees the file: metadata
with a location, further images, bytes after the end. Pillow runs slow Python code for each part of
a file, and for some formats the cost per part grows with the parts before it (25 MB of empty GIF
comments take hours), so parts are counted, too.
"""

from dataclasses import dataclass

from chalicelib.model.errors import ImageTooComplex

# Encoders write about ten parts of metadata, and one part per 8 KB or per row of pixels.
MAX_PARTS = 20_000

# Encoders write 1, 3 or 10 scans; a few write about 20.
MAX_SCANS = 64


@dataclass(frozen=True)
class Essentials:
    """A file without what decoding and color do not need.

    `orientation` is EXIF's, 1 (upright) to 8, of a file whose EXIF data was cut out; None if the
    decoded image still has it. `scans` is how often decoding passes over all pixels. `is_complete`
    is False if the file has no end marker.
    """

    content: bytes
    orientation: int | None = None
    scans: int = 1
    is_complete: bool = True


def too_complex(kind: str, found: str, limit: str) -> ImageTooComplex:
    """The error for a file with more of something than the limit."""
    return ImageTooComplex(
        f"The {kind} file has {found}; the limit is {limit}. Open it in an image editor, save it "
        "again, and send that."
    )


def check_parts(kind: str, parts: int) -> None:
    """Raise ImageTooComplex for more than MAX_PARTS segments, chunks, blocks or values."""
    if parts > MAX_PARTS:
        raise too_complex(kind, f"more than {MAX_PARTS:,} parts", f"{MAX_PARTS:,} parts")
