"""Which page of images is wanted, whoever asks for it."""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.model.image import Status

MAX_LIMIT = 100  # BatchGetItem fetches at most 100 items
DEFAULT_LIMIT = 20

NEWEST = "newest"
BEST = "best"


@dataclass(frozen=True)
class PageRequest:
    """Images that have all of the labels, each with at least `min_confidence` (0 to 100).

    `order` is NEWEST or, with a label and no time, BEST: by the confidence of the first label. The
    times are in UTC, the ends not included.
    """

    labels: tuple[str, ...] = ()
    min_confidence: float = 0
    status: Status | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    order: str = NEWEST
    limit: int = DEFAULT_LIMIT
    cursor: str | None = None

    def fingerprint(self) -> str:
        """The same for the pages of one list, whatever their limit and cursor."""
        query = replace(self, limit=DEFAULT_LIMIT, cursor=None)
        return hashlib.sha256(repr(query).encode()).hexdigest()[:12]
