"""A monthly ceiling on what Rekognition costs: one for the stage, and one for each token."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from time import monotonic

from chalicelib.catalog.usage import MonthUsage, Usage, month_of, price_of
from chalicelib.model.errors import SpendingLimitReached
from chalicelib.model.findings import Feature

# Reading a month's usage costs a few items for each token, so a function reads it at most this
# often. What is recognized meanwhile, and what waits in queues, is not in it yet.
CACHE_SECONDS = 10

logger = logging.getLogger(__name__)


class SpendingLimit:
    """Refuses requests that could cost more than a month's limits; 0 means no limit.

    The limits, and `prices` of one image for each feature, are in US dollars.
    """

    def __init__(
        self,
        usage: Usage,
        prices: Mapping[Feature, float],
        of_stage: float,
        of_token: float,
    ) -> None:
        self._usage = usage
        self._prices = prices
        self._of_stage = of_stage
        self._of_token = of_token
        self._known: MonthUsage | None = None
        self._read_at = float("-inf")

    def check(self, features: Iterable[Feature], requested_by: str) -> None:
        """Raise SpendingLimitReached if recognizing these features could exceed a limit.

        `features` has a feature once for each image. `requested_by` is the name of the caller's
        token; without one, only the stage's limit applies. Without a limit, reads nothing.
        """
        if not self._of_stage and not (self._of_token and requested_by):
            return
        price = price_of(Counter(features), self._prices)
        if not price:
            return
        month = month_of(datetime.now(UTC))
        usage = self._of_month(month)
        own = usage.by_token.get(requested_by, {})
        self._compare(month, "This stage", usage.images, self._of_stage, price)
        if requested_by:
            # Without its name: all callers can see why the URL of a batch failed.
            self._compare(month, "The caller's token", own, self._of_token, price)

    def _compare(
        self, month: str, whose: str, images: Mapping[Feature, int], limit: float, price: float
    ) -> None:
        spent = price_of(images, self._prices)
        if limit and round(spent + price, 6) > limit:
            reached = SpendingLimitReached(
                f"{whose} has spent {spent} US dollars on Rekognition in {month} (UTC), and this "
                f"request could add {price}, but its limit is {limit} a month. Request less, wait "
                "until the next month, or ask who runs the stage for a higher limit."
            )
            # infra/api.yaml sounds an alarm at these words.
            logger.warning("Spending limit reached: %s", reached)
            raise reached

    def _of_month(self, month: str) -> MonthUsage:
        known = self._known  # several threads take in one batch
        if known is None or known.month != month or monotonic() > self._read_at + CACHE_SECONDS:
            known = self._known = self._usage.of_month(month)
            self._read_at = monotonic()
        return known
