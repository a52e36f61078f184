"""The errors that the API returns to its callers.

Chalice renders a `ChaliceViewError` as `{"Code": <class name>, "Message": <text>}` with the
class's `STATUS_CODE`, so the name of a class here is part of the API. A message says what is
wrong, names the value and the limit, and says what to do. The docstrings make up docs/errors.md.
"""

from chalice.app import ChaliceViewError


class ImageRecognitionError(ChaliceViewError):
    """The base class of every error that a caller can see."""


class InvalidRequest(ImageRecognitionError):
    """The body, a query parameter or a header of the request is malformed or out of range."""

    STATUS_CODE = 400


class UnknownLabel(ImageRecognitionError):
    """No image has or had this label, and none has it as the parent or alias of a label."""

    STATUS_CODE = 400


class ImageNotFound(ImageRecognitionError):
    """No image has this id."""

    STATUS_CODE = 404

    @classmethod
    def of(cls, image_id: str) -> "ImageNotFound":
        """The error for an id that no image has; the text may be any string from a request."""
        return cls(f"There is no image {image_id!r:.100}. GET /images lists all images.")


class SpendingLimitReached(ImageRecognitionError):
    """What the request could cost is more than is left of a month's limit on spending."""

    STATUS_CODE = 429


class NoResultYet(ImageRecognitionError):
    """The image has no result to deliver yet."""

    STATUS_CODE = 409


class FetchError(ImageRecognitionError):
    """The base class of errors in fetching the image at a URL."""


class InvalidUrl(FetchError):
    """The URL cannot be parsed, or different programs would parse it differently."""

    STATUS_CODE = 400


class UrlSchemeNotAllowed(FetchError):
    """The URL's scheme is neither http nor https."""

    STATUS_CODE = 400


class UrlHasCredentials(FetchError):
    """The URL contains a user name or a password."""

    STATUS_CODE = 400


class UrlPortNotAllowed(FetchError):
    """The URL names a port from which the API does not fetch images."""

    STATUS_CODE = 400


class AddressNotPublic(FetchError):
    """The URL's host is, or resolves to, an address that is not on the public internet."""

    STATUS_CODE = 400


class HostNotFound(FetchError):
    """The URL's host name does not resolve to an address."""

    STATUS_CODE = 400


class ImageFileTooLarge(FetchError):
    """The file at the URL is larger than the limit in bytes."""

    STATUS_CODE = 413


class ImageServerUnreachable(FetchError):
    """No connection to the URL's server could be established."""

    STATUS_CODE = 502


class ImageServerError(FetchError):
    """The URL's server responded with an error, or with something that is not valid HTTP."""

    STATUS_CODE = 502


class ResponseHeadersTooLarge(FetchError):
    """The headers of the response from the URL's server exceed the limit."""

    STATUS_CODE = 502


class TooManyRedirects(FetchError):
    """The URL redirects more often than the limit."""

    STATUS_CODE = 502


class FetchTimedOut(FetchError):
    """The image did not arrive before the deadline."""

    STATUS_CODE = 504


class ImageContentError(ImageRecognitionError):
    """The base class of errors in the bytes of an image."""


class NotAnImage(ImageContentError):
    """The bytes are not an image of any known kind."""

    STATUS_CODE = 415


class ImageKindNotSupported(ImageContentError):
    """The bytes are an image or a drawing of a kind that is not supported."""

    STATUS_CODE = 415


class ImageHidesAnotherFile(ImageContentError):
    """The bytes are both an image and a file of another kind."""

    STATUS_CODE = 422


class ImageTooSmall(ImageContentError):
    """The image has fewer pixels on a side than Rekognition accepts."""

    STATUS_CODE = 422


class ImageTooLarge(ImageContentError):
    """The image has more pixels, or takes more memory to decode, than the limit."""

    STATUS_CODE = 422


class ImageTooComplex(ImageContentError):
    """Decoding the image takes more time or memory, or it has more parts, than the limit."""

    STATUS_CODE = 422


class ImageDamaged(ImageContentError):
    """The image cannot be decoded completely."""

    STATUS_CODE = 422


class UploadNotFound(ImageRecognitionError):
    """No upload has this id."""

    STATUS_CODE = 404


class BatchNotFound(ImageRecognitionError):
    """No batch has this id."""

    STATUS_CODE = 404


class UploadExpired(ImageRecognitionError):
    """No file arrived while the upload's form was valid, or the file expired before it was used."""

    STATUS_CODE = 410


class BatchNotAccepted(ImageRecognitionError):
    """The queue accepted no URL of a batch; nothing is fetched."""

    STATUS_CODE = 503


class NotProcessed(ImageRecognitionError):
    """An upload or the URL of a batch was not processed because of a failure on this side."""

    STATUS_CODE = 500


class IdempotencyKeyInUse(ImageRecognitionError):
    """Another request with the same Idempotency-Key is still in progress."""

    STATUS_CODE = 409


class IdempotencyKeyReused(ImageRecognitionError):
    """An earlier, different request used the same Idempotency-Key."""

    STATUS_CODE = 422
