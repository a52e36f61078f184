"""The latest version of Rekognition's model that this stage has seen, for each feature.

A caller may request a feature again if another version than the latest recognized it. Findings of
the latest version are never paid for twice.
"""

from collections.abc import Mapping

from chalicelib.aws.dynamodb_table import Table
from chalicelib.model.findings import Feature

_PARTITION = "MODELS"


class ModelVersions:
    """The latest model version per feature that one stage has seen."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._recorded: dict[Feature, str] = {}

    def latest(self) -> Mapping[Feature, str]:
        """The latest version of each feature's model; features without a known version are missing.

        Reads the table on each call.
        """
        return {
            Feature(item["sk"]): item["version"]
            for item in self._table.items("pk = :pk", {":pk": _PARTITION})
        }

    def record(self, feature: Feature, version: str | None) -> None:
        """Record the version that recognized a feature; None, for an unknown version, is skipped.

        Writes to the table only if the version differs from the last one that this process wrote.
        """
        if version is not None and self._recorded.get(feature) != version:
            self._table.put({"pk": _PARTITION, "sk": feature, "version": version})
            self._recorded[feature] = version
