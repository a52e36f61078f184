"""Where the next page of a list begins, as a text that callers pass on unread."""

import base64
import binascii
import json

from chalicelib.model.errors import InvalidRequest


def write_cursor(fingerprint: str, last_key: str) -> str:
    """The cursor of the page after a key, in the list with a fingerprint."""
    text = json.dumps([fingerprint, last_key], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str | None, fingerprint: str) -> str | None:
    """The key after which a page begins; None: it is the first. Raises InvalidRequest."""
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        position = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        of_list, last_key = map(str, position)
    except (binascii.Error, ValueError, TypeError):
        raise InvalidRequest(
            f"The cursor {cursor!r:.100} is damaged. Pass the cursor of the page before unchanged, "
            "or ask for the first page without one."
        ) from None
    if of_list != fingerprint:
        raise InvalidRequest(
            "The cursor is of another query. Pass a cursor with the query that gave it (only the "
            "limit may differ), or ask for the first page without one."
        )
    return last_key
