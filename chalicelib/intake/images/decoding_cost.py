"""What decoding an image would cost, from its header; checked before memory is allocated.

A header may lie, so this only lets most images fail early, with a message that names the cause. The
limits of `process_limits` hold for every image.
"""

import re
from typing import TYPE_CHECKING, Any

from chalicelib.intake.images.essentials import Essentials, too_complex
from chalicelib.model.errors import ImageTooLarge

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

# Rekognition's 10,000 pixels per side, squared.
MAX_PIXELS = 100_000_000

# Of the address space that `process_limits` allows, the rest is for libraries and the file.
MAX_DECODED_BYTES = 1_200_000_000

# A JPEG of 100 megapixels may have 20 scans. Each scan passes over all pixels.
MAX_SCANNED_PIXELS = 2_000_000_000

# Pillow decodes a run-length encoded BMP in Python, a million runs of two bytes per second.
_MAX_RUN_LENGTH_BYTES = 4_000_000

# Pillow's bytes per pixel; 4 in every other mode.
_BYTES_OF_MODE = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}

# AV1's configuration record: marker and version, profile and level; then bits for the tier, over 8
# bits per sample, 12 bits, no color, and chroma at half the width and height.
_AV1_CONFIGURATION = re.compile(rb"av1C\x81.(.)", re.DOTALL)
_HIGH, _NO_COLOR, _HALF_WIDTH, _HALF_HEIGHT = 0x40, 0x10, 0x08, 0x04


def check_cost(image: "ImageFile", file: Essentials, kind: str) -> None:
    """Raise ImageTooLarge or ImageTooComplex if decoding costs too much.

    `image` is open, but not decoded yet. The limits are MAX_DECODED_BYTES, MAX_SCANNED_PIXELS, and
    4 MB of run-length encoding.
    """
    pixels = image.width * image.height
    per_pixel = _BYTES_OF_MODE.get(image.mode, 4)
    converted = 1 if image.mode in {"1", "L"} else 4
    decoded = pixels * per_pixel + max(
        pixels * converted, pixels * _decoder_bytes(image, file, kind) + _tile_bytes(image)
    )
    if decoded > MAX_DECODED_BYTES:
        raise ImageTooLarge(
            f"The {kind} image has {image.width} x {image.height} pixels, which take "
            f"{decoded / 1e6:,.0f} MB of memory to decode, more than "
            f"{MAX_DECODED_BYTES / 1e6:,.0f} MB. Send a smaller version, or one with 8 bits per "
            "channel and without transparency."
        )
    if pixels * file.scans > MAX_SCANNED_PIXELS:
        raise too_complex(
            kind,
            f"{file.scans} scans of {pixels:,} pixels",
            f"{MAX_SCANNED_PIXELS:,} pixels in all scans",
        )
    size = len(file.content)
    if kind == "BMP" and image.tile[0][0] == "bmp_rle" and size > _MAX_RUN_LENGTH_BYTES:
        raise too_complex(
            kind, f"{size:,} bytes of run-length encoding", f"{_MAX_RUN_LENGTH_BYTES:,} bytes"
        )


def _decoder_bytes(image: "ImageFile", file: Essentials, kind: str) -> float:
    """The decoder's bytes per pixel, besides Pillow's."""
    match kind:
        case "JPEG":  # all coefficients, unless there is one scan
            return 2.0 * len(image.getbands()) if file.scans > 1 else 0.0
        case "WEBP":  # two canvases and a copy
            return 12.7
        case "AVIF":  # its planes, and two copies in RGB
            return 5.6 + _plane_bytes(image, file.content)
        case "HEIC":
            return 12.0
    return 0.0


def _plane_bytes(image: "ImageFile", content: bytes) -> float:
    """The bytes per pixel of AVIF's planes, of the largest of its images."""
    most = 0.0
    for configuration in _AV1_CONFIGURATION.finditer(content):
        flags = configuration[1][0]
        chroma = 2.0
        if flags & _NO_COLOR:
            chroma = 0.0
        elif flags & _HALF_WIDTH:
            chroma = 0.5 if flags & _HALF_HEIGHT else 1.0
        most = max(most, (1 + chroma) * (2 if flags & _HIGH else 1))
    alpha = 1 if image.mode == "RGBA" else 0
    return most + alpha * (2 if most > 3 else 1)


def _tile_bytes(image: "ImageFile") -> int:
    """The bytes of one tile of a TIFF image, which may be larger than the image."""
    tags: Any = getattr(image, "tag_v2", {})
    width, height = tags.get(322, 0), tags.get(323, 0)
    bits = tags.get(258, (8,))
    return int(width) * int(height) * (sum(bits) if isinstance(bits, tuple) else int(bits)) // 8
