"""Validates the parameters in a request's path."""

from chalicelib.model.errors import ImageNotFound
from chalicelib.model.identity import is_image_id


def image_id(text: str) -> str:
    """The id of an image in a path; raises ImageNotFound for a text that is no image's id.

    A path can hold any text, also one that DynamoDB refuses as a key.
    """
    if not is_image_id(text):
        raise ImageNotFound.of(text)
    return text
