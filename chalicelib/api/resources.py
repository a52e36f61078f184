"""What a POST made, read again by its path, as the response to the POST shows it."""

from typing import TYPE_CHECKING

from chalicelib.api import responses
from chalicelib.api.responses import Values
from chalicelib.catalog.images import Catalog
from chalicelib.catalog.pages import CatalogPages

if TYPE_CHECKING:
    from chalicelib.intake.batches import Batches
    from chalicelib.intake.uploads import Uploads


class Resources:
    """The images, uploads and batches of one stage, by the path that Location gives."""

    def __init__(
        self, catalog: Catalog, pages: CatalogPages, uploads: "Uploads", batches: "Batches"
    ) -> None:
        self._catalog = catalog
        self._pages = pages
        self._uploads = uploads
        self._batches = batches

    def read(self, path: str) -> Values:
        """The body of the response to the POST that made the resource at `path`, as it is now.

        An upload gets a new form, because a form is a signature that must not be stored. Raises
        ImageNotFound, UploadNotFound or BatchNotFound, and ValueError for any other path.
        """
        match path.strip("/").split("/"):
            case ["images", image_id]:
                return responses.image_values(self._catalog.get(image_id))
            case ["uploads", upload_id]:
                return responses.form_values(self._uploads.form(upload_id))
            case ["batches", batch_id]:
                batch = self._batches.find(batch_id)
                return responses.batch_values(batch, self._pages.statuses(batch.image_ids))
        raise ValueError(f"There are no resources at {path!r}.")
