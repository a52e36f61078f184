"""An image's result as plain values: the same for the third party's XML and for the API's JSON."""

from typing import Any

from chalicelib.model.findings import FINDINGS_OF
from chalicelib.model.image import Image
from chalicelib.model.serialization import to_plain


def result_values(image: Image) -> dict[str, Any]:
    """An image's result, as the third party gets it: without the state of its own delivery.

    What was never asked of the image is left out.
    """
    values: dict[str, Any] = to_plain(image)
    del values["deliveries"], values["result_delivery"]
    findings = values.pop("findings")
    asked = [FINDINGS_OF[state.name] for state in image.features]
    return values | {name: findings[name] for name in findings if name in asked}
