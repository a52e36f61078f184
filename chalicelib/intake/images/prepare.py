"""Turns untrusted bytes into an image that Rekognition accepts.

Rekognition accepts JPEG and PNG, 80 to 10,000 pixels per side, at most 15 MB as an S3 object
(developer guide, "Guidelines and quotas"). Of an upright image within these limits, what decoding
and color need is stored as it came. Every other image is decoded, normalized and re-encoded, so
that nothing but its pixels and its color profile remains.

Strangers' bytes are prepared by `isolated_decoder`, which runs this in a process with limits.
"""

import hashlib
import io
from collections.abc import Callable
from typing import TYPE_CHECKING

from chalicelib.intake.images import gif_file, jpeg_file, png_file, tiff_file
from chalicelib.intake.images.decoding import decode
from chalicelib.intake.images.essentials import Essentials
from chalicelib.intake.images.kinds import kind_of
from chalicelib.intake.images.normalize import normalize
from chalicelib.intake.images.passthrough import MAX_STORED_BYTES, can_pass_through
from chalicelib.intake.images.prepared_image import PreparedImage
from chalicelib.model.errors import ImageTooComplex

if TYPE_CHECKING:
    from PIL.Image import Image

# Encoding a larger image as PNG takes seconds, and a photograph is always smaller as JPEG.
_MAX_PNG_PIXELS = 4_000_000

# 100 million pixels of noise have 80 MB at quality 75, and 5 MB after halving their sides twice.
_MAX_REDUCTIONS = 4

# The other kinds stay as they are, because nothing of the file is stored.
_ESSENTIALS_OF: dict[str, Callable[[bytes], Essentials]] = {
    "JPEG": jpeg_file.essentials_of,
    "PNG": png_file.essentials_of,
    "GIF": gif_file.essentials_of,
    "TIFF": tiff_file.essentials_of,
}

_LOSSLESS_KINDS = frozenset({"PNG", "GIF", "BMP", "TIFF"})


def prepare(content: bytes) -> PreparedImage:
    """The image in `content`, as Rekognition accepts it.

    Raises a subclass of ImageContentError whose message says why the bytes are no usable image.
    """
    kind = kind_of(content)
    file = _ESSENTIALS_OF.get(kind, Essentials)(content)
    image = decode(file, kind)
    if can_pass_through(image, file):
        stored, content_type, size = file.content, f"image/{kind.lower()}", image.size
    else:
        stored, content_type, size = _smallest_encoding(normalize(image, file), kind)
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
    for _ in range(_MAX_REDUCTIONS):
        # Labels do not change from quality 90 on. Quality 75 is tried before reducing the pixels.
        for quality in (90, 75):
            jpeg = _encoded(image, "JPEG", quality=quality)
            if len(jpeg) <= MAX_STORED_BYTES:
                return jpeg, image.size
        image = image.reduce(2)  # a file this large has too many pixels for a side to get too short
    raise ImageTooComplex(
        f"The image has more than {MAX_STORED_BYTES:,} bytes as a JPEG of quality 75, even after "
        f"halving its sides {_MAX_REDUCTIONS} times. Send a smaller version."
    )


def _encoded(image: "Image", kind: str, **options: object) -> bytes:
    output = io.BytesIO()
    image.save(output, kind, icc_profile=image.info.get("icc_profile"), **options)
    return output.getvalue()
