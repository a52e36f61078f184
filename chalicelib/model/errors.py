"""What a caller of the API can see go wrong.

Chalice renders a `ChaliceViewError` as `{"Code": <class name>, "Message": <text>}` with the
class's `STATUS_CODE`, so the name of a class here is part of the API. A message says what was
wrong, the value, the limit, and what to do about it.
"""

from chalice.app import ChaliceViewError


class ImageRecognitionError(ChaliceViewError):
    """The base of every error that a caller can see."""


class InvalidRequest(ImageRecognitionError):
    """The request itself cannot be understood."""

    STATUS_CODE = 400


class UnknownLabel(ImageRecognitionError):
    """No image has, or had, a label of this name, nor one with such a parent or alias."""

    STATUS_CODE = 400


class ImageNotFound(ImageRecognitionError):
    """No image has this id."""

    STATUS_CODE = 404

    @classmethod
    def of(cls, image_id: str) -> "ImageNotFound":
        """The error for an id that no image has."""
        return cls(f"There is no image {image_id!r}. GET /images lists the images there are.")


class NoResultYet(ImageRecognitionError):
    """The image has no result that could be sent."""

    STATUS_CODE = 409


class FetchError(ImageRecognitionError):
    """The base of what can go wrong while the image at a URL is fetched."""


class InvalidUrl(FetchError):
    """The URL cannot be read, or different programs would read it differently."""

    STATUS_CODE = 400


class UrlSchemeNotAllowed(FetchError):
    """The URL is neither http nor https."""

    STATUS_CODE = 400


class UrlHasCredentials(FetchError):
    """The URL has a user name or a password in it."""

    STATUS_CODE = 400


class UrlPortNotAllowed(FetchError):
    """The URL names a port that images are not fetched from."""

    STATUS_CODE = 400


class AddressNotPublic(FetchError):
    """The URL's host is, or is also, an address that is not on the public internet."""

    STATUS_CODE = 400


class HostNotFound(FetchError):
    """The URL's host has no address."""

    STATUS_CODE = 400


class ImageFileTooLarge(FetchError):
    """The file at the URL has more bytes than are fetched."""

    STATUS_CODE = 413


class ImageServerUnreachable(FetchError):
    """No connection to the URL's server came about."""

    STATUS_CODE = 502


class ImageServerError(FetchError):
    """The URL's server answered with an error, or not as HTTP asks."""

    STATUS_CODE = 502


class ResponseHeadersTooLarge(FetchError):
    """The URL's server answered with more headers than are read."""

    STATUS_CODE = 502


class TooManyRedirects(FetchError):
    """The URL redirects more often than is followed."""

    STATUS_CODE = 502


class FetchTimedOut(FetchError):
    """The image was not here by the deadline."""

    STATUS_CODE = 504


class ImageContentError(ImageRecognitionError):
    """The base of what can be wrong with the bytes of an image."""


class NotAnImage(ImageContentError):
    """The bytes are not of any kind of image that is known."""

    STATUS_CODE = 415


class ImageKindNotSupported(ImageContentError):
    """The bytes are an image or a drawing, but of a kind that is not taken."""

    STATUS_CODE = 415


class ImageHidesAnotherFile(ImageContentError):
    """The bytes are an image and a file of another kind at once."""

    STATUS_CODE = 422


class ImageTooSmall(ImageContentError):
    """The image has fewer pixels on a side than Rekognition takes."""

    STATUS_CODE = 422


class ImageTooLarge(ImageContentError):
    """The image has more pixels than are decoded."""

    STATUS_CODE = 422


class ImageTooComplex(ImageContentError):
    """The image is made of so many parts that decoding it would take too long."""

    STATUS_CODE = 422


class ImageDamaged(ImageContentError):
    """The image cannot be decoded to its end."""

    STATUS_CODE = 422


class UploadNotFound(ImageRecognitionError):
    """No upload has this id."""

    STATUS_CODE = 404


class BatchNotFound(ImageRecognitionError):
    """No batch has this id."""

    STATUS_CODE = 404


class IdempotencyKeyInUse(ImageRecognitionError):
    """A request with the same Idempotency-Key is being answered at this moment."""

    STATUS_CODE = 409


class IdempotencyKeyReused(ImageRecognitionError):
    """The Idempotency-Key was sent with another request before."""

    STATUS_CODE = 422
