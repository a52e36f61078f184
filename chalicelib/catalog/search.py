"""Search for images that refuses an unknown label, perhaps a typo, instead of finding nothing."""

from collections.abc import Iterable

from chalicelib.catalog.labels import LabelCounts
from chalicelib.catalog.pages import CatalogPages, Page
from chalicelib.catalog.query import BEST, PageRequest
from chalicelib.model.errors import UnknownLabel

_MAX_SUGGESTIONS = 20


class ImageSearch:
    """Searches the catalog for images and checks the labels of a query."""

    def __init__(self, counts: LabelCounts, pages: CatalogPages) -> None:
        self._counts = counts
        self._pages = pages

    def page(self, request: PageRequest) -> Page:
        """One page of the images that match a request.

        Raises InvalidRequest for a damaged cursor and one of another query. If the page is empty,
        raises UnknownLabel as `require` does.
        """
        page = self._pages.page(request)
        if not page.images:
            self.require(request.labels)
        return page

    def require(self, labels: Iterable[str]) -> None:
        """Raise UnknownLabel for the first label key that is not known.

        A label is known if an image has or had it, or has it as the parent or alias of a label. The
        error's message suggests known labels.
        """
        for label in labels:
            if not self._counts.has_counted(label) and not self._finds_any(label):
                raise UnknownLabel(
                    f"No image has had the label {label!r} yet. {self._suggestion()}"
                )

    def _finds_any(self, label: str) -> bool:
        return bool(self._pages.page(PageRequest((label,), order=BEST, limit=1)).images)

    def _suggestion(self) -> str:
        page = self._counts.page("", _MAX_SUGGESTIONS, None)
        if not page.labels:
            return "There are no labels yet."
        names = ", ".join(each.name for each in page.labels)
        more = ", ..." if page.cursor else ""
        return f"Known labels: {names}{more}. GET /labels lists all labels."
