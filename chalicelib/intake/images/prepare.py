"""Turns untrusted bytes into an image that Rekognition accepts.

Rekognition accepts JPEG and PNG, 80 to 10,000 pixels per side, at most 15 MB as an S3 object
(developer guide, "Guidelines and quotas"). An upright image within these limits and without
location data passes through byte for byte. Every other image is decoded, normalized and re-encoded,
so that nothing but its pixels remains.
"""

import hashlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.intake.images.decoding import decode
from chalicelib.intake.images.kinds import kind_of
from chalicelib.intake.images.normalize import normalize
from chalicelib.intake.images.passthrough import MAX_STORED_BYTES, can_pass_through

if TYPE_CHECKING:
    from PIL.Image import Image

# Encoding a larger image as PNG takes seconds, and a photograph is always smaller as JPEG.
_MAX_PNG_PIXELS = 4_000_000

_LOSSLESS_KINDS = frozenset({"PNG", "GIF", "BMP", "TIFF"})


@dataclass(frozen=True)
class PreparedImage:
    """The image to store and recognize, and what it was made from.

    `content_type` is image/jpeg or image/png; `width` and `height` are the pixels of the upright
    image. `original_kind` is JPEG, PNG, GIF, WEBP, AVIF, HEIC, TIFF or BMP; `original_bytes` is the
    length and `original_sha256` the SHA-256, in hex, of the bytes as received.
    """

    content: bytes
    content_type: str
    width: int
    height: int
    original_kind: str
    original_bytes: int
    original_sha256: str


def prepare(content: bytes) -> PreparedImage:
    """The image in `content`, as Rekognition accepts it.

    Raises a subclass of ImageContentError whose message says why the bytes are no usable image.
    """
    kind = kind_of(content)
    image = decode(content, kind)
    if can_pass_through(image, content, kind):
        stored, content_type, size = content, f"image/{kind.lower()}", image.size
    else:
        stored, content_type, size = _smallest_encoding(normalize(image), kind)
    return PreparedImage(
        content=stored,
        content_type=content_type,
        width=size[0],
        height=size[1],
        original_kind=kind,
        original_bytes=len(content),
        original_sha256=hashlib.sha256(content).hexdigest(),
    )


def _smallest_encoding(image: "Image", kind: str) -> tuple[bytes, str, tuple[int, int]]:
    jpeg, size = _jpeg_that_fits(image)
    if kind in _LOSSLESS_KINDS and image.width * image.height <= _MAX_PNG_PIXELS:
        png = _encoded(image, "PNG", optimize=True)
        if len(png) < len(jpeg):
            return png, "image/png", image.size
    return jpeg, "image/jpeg", size


def _jpeg_that_fits(image: "Image") -> tuple[bytes, tuple[int, int]]:
    while True:
        # Labels do not change from quality 90 on. Quality 75 is tried before reducing the pixels.
        for quality in (90, 75):
            jpeg = _encoded(image, "JPEG", quality=quality)
            if len(jpeg) <= MAX_STORED_BYTES:
                return jpeg, image.size
        image = image.reduce(2)  # a file this large has too many pixels for a side to get too short


def _encoded(image: "Image", kind: str, **options: object) -> bytes:
    output = io.BytesIO()
    image.save(output, kind, icc_profile=image.info.get("icc_profile"), **options)
    return output.getvalue()
