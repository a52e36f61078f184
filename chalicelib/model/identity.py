"""An image's id, which comes from its bytes, and its S3 key, which comes from its id."""

import hashlib
import re

IMAGES_PREFIX = "images/"

_IMAGE_ID = re.compile(r"[0-9a-f]{32}")


def image_id_of_content(content: bytes) -> str:
    """The id of an image: the first 32 hexadecimal digits of the SHA-256 of its bytes."""
    return hashlib.sha256(content).hexdigest()[:32]


def is_image_id(text: str) -> bool:
    """Whether a text has the form of an image's id: 32 hexadecimal digits in lower case."""
    return _IMAGE_ID.fullmatch(text) is not None


def image_key(image_id: str) -> str:
    """The S3 key under which an image is stored."""
    return IMAGES_PREFIX + image_id


def image_id_of_key(key: str) -> str | None:
    """The id of the image that is stored under an S3 key, or None if the key is not an image's."""
    image_id = key.removeprefix(IMAGES_PREFIX)
    if key.startswith(IMAGES_PREFIX) and is_image_id(image_id):
        return image_id
    return None
