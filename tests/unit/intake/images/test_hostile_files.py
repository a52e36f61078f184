"""No file hangs or kills the function that decodes it: it is stored, or refused with a reason.

The limits are those of the deployed functions. The corpus is `tests.helpers.hostile_files`; what
`make fuzz-images` finds joins it.
"""

import re
import time
from collections.abc import Iterator

import pytest

from chalicelib.intake.images.isolated_decoder import IsolatedDecoder
from chalicelib.model.errors import ImageContentError
from tests.helpers.hostile_files import HOSTILE, SMALL, encoded

NEXT = encoded(SMALL, "PNG")


@pytest.fixture(scope="module")
def decoder() -> Iterator[IsolatedDecoder]:
    decoder = IsolatedDecoder()
    yield decoder
    decoder.stop()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_stored_or_refused(decoder: IsolatedDecoder, name: str) -> None:
    write, expected, named = HOSTILE[name]
    content = write()
    started = time.monotonic()

    try:
        outcome, message = "stored", str(decoder.prepare(content).content_type)
    except ImageContentError as refusal:
        outcome, message = type(refusal).__name__, str(refusal)

    assert time.monotonic() - started < 30, message  # seconds; on a busy machine, too
    if expected == "refused":
        assert outcome != "stored"
    elif expected != "any":
        assert outcome == expected, message
    assert re.search(named, message), message
    assert message.endswith((".", "image/png", "image/jpeg"))
    assert decoder.prepare(NEXT).content == NEXT
