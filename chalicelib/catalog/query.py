"""The request for one page of images, independent of HTTP."""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.model.image import Status

MAX_LIMIT = 100  # BatchGetItem's limit of items per call
DEFAULT_LIMIT = 20

NEWEST = "newest"
BEST = "best"


@dataclass(frozen=True)
class PageRequest:
    """A page of the images that have all of the labels, each with at least `min_confidence`.

    `labels` are label keys (`keys.label_key`) of labels, parents or aliases. `min_confidence` is
    from 0 to 100, `limit` from 1 to MAX_LIMIT. `order` is NEWEST or BEST, by the confidence of the
    first label; BEST needs a label and no time. `failure` is the code of a FAILED image's failure.
    `created_after` and `created_before` are in UTC and exclusive.
    """

    labels: tuple[str, ...] = ()
    min_confidence: float = 0
    status: Status | None = None
    failure: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    order: str = NEWEST
    limit: int = DEFAULT_LIMIT
    cursor: str | None = None

    def fingerprint(self) -> str:
        """A hash that is the same for all pages of one list, regardless of limit and cursor."""
        query = replace(self, limit=DEFAULT_LIMIT, cursor=None)
        return hashlib.sha256(repr(query).encode()).hexdigest()[:12]
