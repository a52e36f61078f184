"""docs/errors.md comes from the code: `python -m tests.unit.model.test_errors` rewrites it."""

from collections.abc import Iterator
from pathlib import Path

from chalicelib.model import errors
from chalicelib.recognition import failures
from chalicelib.recognition.rekognition import _PERMANENT

PAGE = Path(__file__).parents[3] / "docs" / "errors.md"

HEAD = """# Error codes

Every error of the API is `{"Code": "…", "Message": "…"}`. The Message names the value, the limit
and what to do; programs read the Code. A batch shows the same codes per URL, and an upload shows
its own. `python -m tests.unit.model.test_errors` generates this table from
`chalicelib/model/errors.py`.

| status | Code | when |
| --- | --- | --- |
"""

TAIL = """
API Gateway itself returns some errors, in its own format `{"message": "…"}`: 401 without an
Authorization header, 403 for an unknown token or a path that does not exist, 413 for a body over
10 MB, 429 for too many requests. An internal error is a 500 `InternalServerError`.

## Failures of recognition

An image, and each of its features, that could not be recognized has a `failure` with a code and a
sentence. Texts of AWS's own errors are in the log only
([0065](decisions/0065-errors-in-our-own-words.md)). `GET /images?failure=CODE` lists the images
that failed with a code.

The codes that begin with `Rekognition`, `ImageUnreadable` and `InternalError` have causes that may
pass: any further message about the image recognizes it again, such as a dead letter that
`make redrive QUEUE=recognition` puts back. `POST /recognitions` `{"failure": CODE}` does so for up
to 100 images with any code; repeat it with the `cursor` of the response until that is null. A
single image is requested again by `POST /images/{id}/recognitions`, or by posting it again. The
other codes are Rekognition's own, about the image.

An image that is throttled stays PENDING and is attempted again, so no new failure has the code
`RekognitionThrottled`.

| code | when |
| --- | --- |
| `InvalidImageFormatException` | Rekognition cannot read the image's format. |
| `ImageTooLargeException` | The image is too large for Rekognition. |
| `InvalidParameterException` | Rekognition refuses the image for another reason. |
| `NotImplementedException` | The local Rekognition has no model for this feature. |
| `RekognitionThrottled` | The account's quota was used up. |
| `RekognitionUnavailable` | Rekognition could not be reached or had an error, at every attempt. |
| `RekognitionAccessDenied` | The stage's role may not call Rekognition. |
| `ImageUnreadable` | Rekognition could not read the image from S3. |
| `InternalError` | Any other error. |
"""


def concrete_errors(
    base: type[errors.ImageRecognitionError],
) -> Iterator[type[errors.ImageRecognitionError]]:
    for error in base.__subclasses__():
        if "STATUS_CODE" in vars(error):
            yield error
        yield from concrete_errors(error)


def status_and_code(error: type[errors.ImageRecognitionError]) -> tuple[int, str]:
    return error.STATUS_CODE, error.__name__


def page() -> str:
    found = sorted(set(concrete_errors(errors.ImageRecognitionError)), key=status_and_code)
    rows = [
        "| {} | `{}` | {} |\n".format(*status_and_code(error), " ".join(str(error.__doc__).split()))
        for error in found
    ]
    return HEAD + "".join(rows) + TAIL


def test_the_page_of_errors_matches_the_code() -> None:
    assert PAGE.read_text() == page()


def test_the_page_has_every_code_of_a_failure() -> None:
    assert all(f"`{code}`" in TAIL for code in (*failures.CODES, *_PERMANENT))


def test_every_error_says_when_it_is_raised() -> None:
    for error in concrete_errors(errors.ImageRecognitionError):
        assert error.__doc__
        assert 400 <= error.STATUS_CODE < 600


if __name__ == "__main__":
    PAGE.write_text(page())
