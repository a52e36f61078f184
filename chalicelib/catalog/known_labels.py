"""Which labels mean anything here: a misspelled one is refused instead of finding nothing."""

from collections.abc import Iterable

from chalicelib.catalog.labels import LabelCounts
from chalicelib.catalog.pages import CatalogPages
from chalicelib.catalog.query import BEST, PageRequest
from chalicelib.model.errors import UnknownLabel

_SHOWN = 20


class KnownLabels:
    """The labels that images have or had, and the parents and aliases of those that they have."""

    def __init__(self, counts: LabelCounts, pages: CatalogPages) -> None:
        self._counts = counts
        self._pages = pages

    def require(self, labels: Iterable[str]) -> None:
        """Raise UnknownLabel, with labels that there are, for a label key that is not known."""
        for label in labels:
            if not self._counts.has_counted(label) and not self._finds_any(label):
                raise UnknownLabel(f"No image has had the label {label!r} yet. {self._choice()}")

    def _finds_any(self, label: str) -> bool:
        return bool(self._pages.page(PageRequest((label,), order=BEST, limit=1)).images)

    def _choice(self) -> str:
        page = self._counts.page("", _SHOWN, None)
        if not page.labels:
            return "There are no labels yet."
        names = ", ".join(each.name for each in page.labels)
        more = ", ..." if page.cursor else ""
        return f"There are: {names}{more}. GET /labels lists them all."
