"""What unit tests share."""

from collections.abc import Iterator

import pytest

from tests.helpers.memory import MemoryCatalog, memory_aws


@pytest.fixture
def memory() -> Iterator[MemoryCatalog]:
    """The real catalog and store, over AWS in memory."""
    with memory_aws() as aws:
        yield MemoryCatalog.over(aws)
