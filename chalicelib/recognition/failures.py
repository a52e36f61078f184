"""The failure that an image shows for an error of a Rekognition call that may be temporary.

An SDK's error text can name the account, a role, a session or an address. So what is stored and
shown is a code of ours and a sentence of ours; the log has the error itself.
"""

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.model.image import Failure
from chalicelib.recognition.rekognition import ImageRefused, ObjectUnreadable
from chalicelib.recognition.request_rate import Throttled

_ASK_AGAIN = "Request the feature again later."
_REASONS = {
    "RekognitionThrottled": (
        f"Rekognition was asked more often than the account's quota allows. {_ASK_AGAIN}"
    ),
    "RekognitionUnavailable": f"Rekognition could not be reached or had an error. {_ASK_AGAIN}",
    "RekognitionAccessDenied": (
        "The stage is not allowed to call Rekognition. Whoever runs it finds the reason in the log."
    ),
    "ImageUnreadable": (
        "Rekognition could not read the stored image. Whoever runs the stage finds the reason in "
        "the log."
    ),
    "InternalError": (
        "The recognition failed. Whoever runs the stage finds the reason in the log."
    ),
}
CODES = tuple(_REASONS)

_ACCESS_DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredTokenException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "NotAuthorized",
    "OptInRequired",
    "UnauthorizedOperation",
    "UnrecognizedClientException",
}


def failure_of(error: Exception) -> Failure:
    """The failure to store for an error of a Rekognition call; its code is one of CODES.

    Of an ImageRefused it is the failure that the error carries, with Rekognition's code.
    """
    if isinstance(error, ImageRefused):
        return error.failure
    code = _code_of(error)
    return Failure(code, _REASONS[code])


def is_temporary(failure: Failure) -> bool:
    """Whether another attempt may succeed: Rekognition did not refuse the image itself."""
    return failure.code in CODES


def _code_of(error: Exception) -> str:
    match error:
        case Throttled():
            return "RekognitionThrottled"
        case ObjectUnreadable():
            return "ImageUnreadable"
        case ClientError():
            return _code_of_response(error)
        case BotoCoreError() | OSError():  # no connection, or none that lasted
            return "RekognitionUnavailable"
    return "InternalError"


def _code_of_response(error: ClientError) -> str:
    code = error.response.get("Error", {}).get("Code", "")
    status_code = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _ACCESS_DENIED:
        return "RekognitionAccessDenied"
    return "RekognitionUnavailable" if status_code >= 500 else "InternalError"
