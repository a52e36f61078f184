"""docs/errors.md is made from the code: `python -m tests.unit.model.test_errors` writes it anew."""

from collections.abc import Iterator
from pathlib import Path

from chalicelib.model import errors

PAGE = Path(__file__).parents[3] / "docs" / "errors.md"

HEAD = """# Error codes

Every error of the API is `{"Code": "…", "Message": "…"}`. The Message names the value, the limit
and what to do; programs read the Code. A batch or an upload shows the same codes at the entry
concerned. `python -m tests.unit.model.test_errors` makes this table from
`chalicelib/model/errors.py`.

| status | Code | when |
| --- | --- | --- |
"""

TAIL = """
API Gateway itself answers, in its own shape `{"message": "…"}`: 401 without an Authorization
header, 403 with a token that is not known or to a path that does not exist, 413 to a body over
10 MB, 429 when it is called too often. A fault of ours is a 500 `InternalServerError`.

While an image is recognized, Rekognition may refuse it; the image's `failure` then has
Rekognition's code (`InvalidImageFormatException`, `ImageTooLargeException`,
`InvalidParameterException`) or, after the last try, the name of what went wrong each time.
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


def test_the_page_of_errors_is_the_codes_own() -> None:
    assert PAGE.read_text() == page()


def test_every_error_says_when_it_comes() -> None:
    for error in concrete_errors(errors.ImageRecognitionError):
        assert error.__doc__
        assert 400 <= error.STATUS_CODE < 600


if __name__ == "__main__":
    PAGE.write_text(page())
