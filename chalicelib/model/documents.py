"""An image's result as plain values, shared by the third party's XML and the API's JSON."""

from dataclasses import replace
from typing import Any

from chalicelib.model.findings import FINDINGS_OF
from chalicelib.model.image import Image
from chalicelib.model.serialization import to_plain
from chalicelib.model.sources import bounded_sources


def result_values(image: Image) -> dict[str, Any]:
    """An image's result as the third party receives it, by field name, without its deliveries.

    Has the findings of requested features only. `to_plain` describes the values.
    """
    # Rows from before `source_of` still have URLs as they were sent.
    shown = replace(image, sources=bounded_sources(image.sources, ()))
    values: dict[str, Any] = to_plain(shown)
    for hidden in ("deliveries", "result_delivery", "last_delivery", "requested_by"):
        del values[hidden]
    findings = values.pop("findings")
    requested = [FINDINGS_OF[state.name] for state in image.features]
    return values | {name: findings[name] for name in findings if name in requested}
