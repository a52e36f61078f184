"""Which version of Amazon's models answered last, for each feature.

What an older version told of an image may be asked again when a newer one has answered about
another image; what the latest told is never asked twice.
"""

from collections.abc import Iterable, Mapping

from chalicelib.aws.dynamodb_table import Table
from chalicelib.model.changes import FeatureOutcome
from chalicelib.model.findings import Feature

_PARTITION = "MODELS"


class ModelVersions:
    """The versions that one stage has seen."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._noted: dict[Feature, str] = {}

    def latest(self) -> Mapping[Feature, str]:
        """By feature; those of which no version was told yet are missing."""
        return {
            Feature(item["sk"]): item["version"]
            for item in self._table.items("pk = :pk", {":pk": _PARTITION})
        }

    def note(self, outcomes: Iterable[FeatureOutcome]) -> None:
        """Remember the versions that answered; written where this process sees one first."""
        for outcome in outcomes:
            version = outcome.model_version
            if version is not None and self._noted.get(outcome.feature) != version:
                self._table.put({"pk": _PARTITION, "sk": outcome.feature, "version": version})
                self._noted[outcome.feature] = version
