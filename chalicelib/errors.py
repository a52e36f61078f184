"""What a caller of the API can see go wrong.

Chalice renders a `ChaliceViewError` as `{"Code": <class name>, "Message": <text>}` with the
class's `STATUS_CODE`, so the name of a class here is part of the API. A message says what was
wrong, the value, the limit, and what to do about it.
"""

from chalice import ChaliceViewError


class ImageRecognitionError(ChaliceViewError):
    """The base of every error that a caller can see."""


class InvalidRequest(ImageRecognitionError):
    """The request itself cannot be understood."""

    STATUS_CODE = 400


class ImageNotFound(ImageRecognitionError):
    """No image has this id."""

    STATUS_CODE = 404
