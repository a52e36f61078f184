"""Opaque cursors: the position of a list's next page as a text that callers pass back unchanged."""

import base64
import binascii
import json

from chalicelib.model.errors import InvalidRequest
from chalicelib.model.texts import fits

_MAX_KEY_BYTES = 1000  # of DynamoDB's 1,024; `labels` adds a character to a cursor's key


def write_cursor(fingerprint: str, last_key: str) -> str:
    """The cursor of the page that begins after `last_key` in the list of the query `fingerprint`.

    It is URL-safe base64 without padding.
    """
    text = json.dumps([fingerprint, last_key], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str | None, fingerprint: str) -> str | None:
    """The key after which a page begins; None, without a cursor, for the first page.

    Raises InvalidRequest if the cursor is damaged or belongs to another query's list.
    """
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        position = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        cursor_fingerprint, last_key = map(str, position)
        is_key = fits(last_key, _MAX_KEY_BYTES)
    except (binascii.Error, ValueError, TypeError, RecursionError):
        is_key = False
    if not is_key:
        raise InvalidRequest(
            f"The cursor {cursor!r:.100} is damaged. Pass the cursor of the previous page "
            "unchanged, or request the first page without a cursor."
        )
    if cursor_fingerprint != fingerprint:
        raise InvalidRequest(
            "The cursor belongs to another query. Pass it with the query that returned it (only "
            "the limit may differ), or request the first page without a cursor."
        )
    return last_key
