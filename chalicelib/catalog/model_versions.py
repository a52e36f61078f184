"""The latest version of Rekognition's model that this stage has seen, for each feature.

A caller may request a feature again if another version than the latest recognized it. Findings of
the latest version are never paid for twice.
"""

from collections.abc import Iterable, Mapping

from chalicelib.aws.dynamodb_table import Table
from chalicelib.model.changes import FeatureOutcome
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

    def record(self, outcomes: Iterable[FeatureOutcome]) -> None:
        """Record the model versions of outcomes; outcomes without a version are skipped.

        Writes to the table only if a version differs from the last one that this process wrote.
        """
        for outcome in outcomes:
            version = outcome.model_version
            if version is not None and self._recorded.get(outcome.feature) != version:
                self._table.put({"pk": _PARTITION, "sk": outcome.feature, "version": version})
                self._recorded[outcome.feature] = version
