"""An image that is ready to be stored: what decoding hands over."""

from dataclasses import dataclass


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
