"""Texts that a database can hold.

JSON can spell half of a surrogate pair, such as an escaped D800, which is no character: UTF-8
cannot encode it, and DynamoDB, SQS and XML refuse it. Every text of a caller is checked where it
comes in.
"""

# Longer than every id, and far below DynamoDB's limit of a partition key, 2,048 bytes.
MAX_ID_BYTES = 1024


def is_unicode(text: str) -> bool:
    """Whether a text has only characters that UTF-8 can encode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def fits(text: str, max_bytes: int) -> bool:
    """Whether a text can be stored in at most `max_bytes` bytes of UTF-8."""
    return is_unicode(text) and len(text.encode()) <= max_bytes
