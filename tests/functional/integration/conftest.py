"""The tests of deliveries have the same internet as those of fetching."""

from tests.functional.intake.fetching.conftest import internet

__all__ = ["internet"]
