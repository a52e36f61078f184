"""Which records of the catalog's stream Lambda passes to the function that follows the findings.

Chalice cannot set it, and keeps what is set when it updates the mapping. Without the filter
everything is right, too, but Lambda invokes the function for each write of the catalog, its own
included.
"""

import json
from typing import Any

from chalicelib.catalog.keys import FEATURE_PREFIX
from infra.chalice_record import function_name
from infra.errors import DeployError

_FUNCTION = "index_findings"
_PATTERN = {"dynamodb": {"Keys": {"sk": {"S": [{"prefix": FEATURE_PREFIX}]}}}}


def apply(client: Any, stage: str) -> None:
    """Set the filter of a deployed stage, unless it is set; `client` is Lambda's.

    Raises DeployError if the stage has no such mapping.
    """
    name = function_name(stage, _FUNCTION)
    mappings = client.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    if not mappings:
        raise DeployError(f"{name} has no event source mapping of the catalog's stream.")
    wanted = {"Filters": [{"Pattern": json.dumps(_PATTERN)}]}
    for mapping in mappings:
        if mapping.get("FilterCriteria") != wanted:
            client.update_event_source_mapping(UUID=mapping["UUID"], FilterCriteria=wanted)
