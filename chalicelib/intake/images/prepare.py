"""Bytes that claim to be an image, to what Rekognition takes.

Rekognition takes JPEG and PNG, 80 to 10,000 pixels a side, at most 15 MB as an S3 object (developer
guide, "Guidelines and quotas"). What already is so, upright and without location data, is kept byte
for byte; everything else is decoded and written anew, so that nothing but the picture remains.
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

# Compressing larger images as PNG takes seconds, and a photograph of that size never wins.
_MOST_PIXELS_FOR_PNG = 4_000_000

_LOSSLESS_KINDS = frozenset({"PNG", "GIF", "BMP", "TIFF"})


@dataclass(frozen=True)
class PreparedImage:
    """What is stored and recognized, and what it was made from.

    `content_type` is image/jpeg or image/png; `width` and `height` are in pixels, of the upright
    image. `original_kind` is JPEG, PNG, GIF, WEBP, AVIF, HEIC, TIFF or BMP.
    """

    content: bytes
    content_type: str
    width: int
    height: int
    original_kind: str
    original_bytes: int
    original_sha256: str


def prepare(content: bytes) -> PreparedImage:
    """What Rekognition takes, of the image in these bytes.

    Raises a subclass of ImageContentError that says what is wrong with the bytes.
    """
    kind = kind_of(content)
    image = decode(content, kind)
    if can_pass_through(image, content, kind):
        stored, content_type, size = content, f"image/{kind.lower()}", image.size
    else:
        stored, content_type, size = _encoded(normalize(image), kind)
    return PreparedImage(
        content=stored,
        content_type=content_type,
        width=size[0],
        height=size[1],
        original_kind=kind,
        original_bytes=len(content),
        original_sha256=hashlib.sha256(content).hexdigest(),
    )


def _encoded(image: "Image", kind: str) -> tuple[bytes, str, tuple[int, int]]:
    jpeg, size = _jpeg_that_fits(image)
    if kind in _LOSSLESS_KINDS and image.width * image.height <= _MOST_PIXELS_FOR_PNG:
        png = _written(image, "PNG", optimize=True)
        if len(png) < len(jpeg):
            return png, "image/png", image.size
    return jpeg, "image/jpeg", size


def _jpeg_that_fits(image: "Image") -> tuple[bytes, tuple[int, int]]:
    while True:
        # 90 is where labels no longer change; 75 before pixels are given up.
        for quality in (90, 75):
            jpeg = _written(image, "JPEG", quality=quality)
            if len(jpeg) <= MAX_STORED_BYTES:
                return jpeg, image.size
        image = image.reduce(2)  # so many bytes are so many pixels that no side becomes too short


def _written(image: "Image", kind: str, **options: object) -> bytes:
    output = io.BytesIO()
    image.save(output, kind, icc_profile=image.info.get("icc_profile"), **options)
    return output.getvalue()
