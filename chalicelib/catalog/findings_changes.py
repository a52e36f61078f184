"""Changes of images' findings, as the table's stream reports them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.aws.dynamodb_table import from_item
from chalicelib.catalog import keys
from chalicelib.catalog.items import feature_of
from chalicelib.model.findings import Feature, Label
from chalicelib.model.serialization import from_plain


@dataclass(frozen=True)
class CountedCall:
    """A call of Rekognition as usage counts it, for one of its features.

    `calls` is 1 for the first of the features that share a call, and 0 for the others. `called_at`
    is a time as `timestamp` writes it. `model_version` is None if the operation reports none.
    `requested_by` is the name of the token that requested the feature, empty if nobody did.
    """

    id: str
    operation: str
    feature: Feature
    called_at: str
    calls: int
    model_version: str | None = None
    requested_by: str = ""

    @property
    def month(self) -> str:
        """The month of the call, such as 2026-11, in UTC."""
        return self.called_at[:7]


@dataclass(frozen=True)
class FindingsChange:
    """A change of an image's findings, or several.

    `calls` are those that wrote the findings. `terms` are the keys of the items that find the image
    by its labels, of every version of the labels before and after the changes.
    """

    image_id: str
    calls: tuple[CountedCall, ...] = ()
    terms: frozenset[tuple[str, str]] = frozenset()

    def merged_with(self, other: "FindingsChange") -> "FindingsChange":
        """One change for this and a later one of the same image, without repeated calls."""
        known = {call.id for call in self.calls}
        new = (call for call in other.calls if call.id not in known)
        return replace(self, calls=(*self.calls, *new), terms=self.terms | other.terms)


def changes_of(event: Mapping[str, Any]) -> Iterator[FindingsChange]:
    """The changes of findings in Lambda's event of a DynamoDB stream; leaves out other items."""
    for record in event["Records"]:
        change = record["dynamodb"]
        versions = [from_item(change[name]) for name in ("OldImage", "NewImage") if name in change]
        if versions and str(versions[0]["sk"]).startswith(keys.FEATURE_PREFIX):
            image_id = keys.image_id_of_partition(versions[0]["pk"])
            # A call is counted when it writes its findings. The version before has been counted.
            calls = (_call(versions[-1]),) if "NewImage" in change else ()
            terms = (key for version in versions for key in _term_keys(image_id, version))
            yield FindingsChange(image_id, calls, frozenset(terms))


def terms_of(labels: Iterable[Label]) -> dict[str, float]:
    """The terms that find an image with these labels, and the confidence of each.

    The terms are the labels' names, parents and aliases as `keys.label_key` writes them. A parent
    or alias has the confidence of its most confident label, unless it is a label itself.
    """
    labels = tuple(labels)
    terms: dict[str, float] = {}
    for label in labels:
        terms.setdefault(keys.label_key(label.name), label.confidence)
    for label in sorted(labels, key=lambda label: -label.confidence):
        for other_name in (*label.parents, *label.aliases):
            terms.setdefault(keys.label_key(other_name), label.confidence)
    return terms


def term_key(image_id: str, term: str, confidence: float) -> tuple[str, str]:
    """The key of the item that finds an image by a term."""
    partition = keys.term_partition(term, keys.shard_of(image_id))
    return partition, keys.best_key(confidence, image_id)


def labels_of(item: Mapping[str, Any] | None) -> tuple[Label, ...]:
    """The labels in the item of an image's feature LABELS; none without the item."""
    return tuple(from_plain(Label, label) for label in (item or {}).get("findings", ()))


def _call(version: Mapping[str, Any]) -> CountedCall:
    feature = feature_of(version)
    return CountedCall(
        f"{feature}@{version['lease']}",
        version["operation"],
        feature,
        version["called_at"],
        int(version["calls"]),
        version.get("model_version"),
        version.get("requested_by", ""),
    )


def _term_keys(image_id: str, version: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if version["sk"] == keys.feature_sort_key(Feature.LABELS):
        for term, confidence in terms_of(labels_of(version)).items():
            yield term_key(image_id, term, confidence)
