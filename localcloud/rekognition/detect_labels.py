"""The operation DetectLabels.

https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DetectLabels.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localcloud.rekognition.fusion import Instance, Label
from localcloud.rekognition.image_properties import image_properties
from localcloud.rekognition.images import DecodedImage
from localcloud.rekognition.labels import LabelRecognizer
from localcloud.rekognition.protocol import ServiceError
from localcloud.rekognition.taxonomy import Taxonomy

DEFAULT_MIN_CONFIDENCE = 55.0
MAX_LABELS = 1000
DEFAULT_DOMINANT_COLORS = 10

# Rekognition's current version, marked as local.
LABEL_MODEL_VERSION = "3.0-local"


class DetectLabels:
    """Answers DetectLabels for a decoded image."""

    def __init__(self, recognizer: LabelRecognizer, taxonomy: Taxonomy) -> None:
        self._recognizer = recognizer
        self._taxonomy = taxonomy

    def answer(self, request: Mapping[str, Any], image: DecodedImage) -> dict[str, Any]:
        """The response.

        Raises ServiceError InvalidParameterException for a setting whose feature is not requested.
        """
        features = request.get("Features") or ["GENERAL_LABELS"]
        settings = request.get("Settings", {})
        _check_settings(features, request)
        response: dict[str, Any] = {}
        labels = self._recognizer.recognize(image)
        if "GENERAL_LABELS" in features:
            response["Labels"] = self._general_labels(labels, request, settings)
            response["LabelModelVersion"] = LABEL_MODEL_VERSION
        if "IMAGE_PROPERTIES" in features:
            chosen = settings.get("ImageProperties", {})
            count = chosen.get("MaxDominantColors", DEFAULT_DOMINANT_COLORS)
            boxes = [instance.box for label in labels for instance in label.instances]
            response["ImageProperties"] = image_properties(image, boxes, count)
        return response

    def _general_labels(
        self, labels: list[Label], request: Mapping[str, Any], settings: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        min_confidence = request.get("MinConfidence", DEFAULT_MIN_CONFIDENCE)
        max_labels = min(request.get("MaxLabels", MAX_LABELS), MAX_LABELS)
        passes = _Filters.of(settings.get("GeneralLabels", {})).passes
        chosen = [
            label
            for label in labels
            if label.confidence >= min_confidence
            and passes(label.name, self._taxonomy.labels[label.name].category)
        ]
        return [self._label(label) for label in chosen[:max_labels]]

    def _label(self, label: Label) -> dict[str, Any]:
        entry = self._taxonomy.labels[label.name]
        return {
            "Name": label.name,
            "Confidence": label.confidence,
            "Instances": [_instance(instance) for instance in label.instances],
            "Parents": [{"Name": name} for name in entry.ancestors],
            "Aliases": [{"Name": name} for name in entry.aliases],
            "Categories": [{"Name": entry.category}],
        }


@dataclass(frozen=True)
class _Filters:
    """Filters by exact name. Exclusion wins; with any inclusion, only what it names passes."""

    included_labels: frozenset[str]
    included_categories: frozenset[str]
    excluded_labels: frozenset[str]
    excluded_categories: frozenset[str]

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "_Filters":
        return cls(
            included_labels=frozenset(settings.get("LabelInclusionFilters", ())),
            included_categories=frozenset(settings.get("LabelCategoryInclusionFilters", ())),
            excluded_labels=frozenset(settings.get("LabelExclusionFilters", ())),
            excluded_categories=frozenset(settings.get("LabelCategoryExclusionFilters", ())),
        )

    def passes(self, name: str, category: str) -> bool:
        if name in self.excluded_labels or category in self.excluded_categories:
            return False
        if not self.included_labels and not self.included_categories:
            return True
        return name in self.included_labels or category in self.included_categories


def _check_settings(features: Sequence[str], request: Mapping[str, Any]) -> None:
    """Per the documentation, each of these parameters is valid only with its feature."""
    needed = {
        "MaxLabels": ("GENERAL_LABELS", request),
        "MinConfidence": ("GENERAL_LABELS", request),
        "GeneralLabels": ("GENERAL_LABELS", request.get("Settings", {})),
        "ImageProperties": ("IMAGE_PROPERTIES", request.get("Settings", {})),
    }
    for parameter, (feature, given) in needed.items():
        if parameter in given and feature not in features:
            raise ServiceError(
                "InvalidParameterException",
                f"Request has invalid parameters: {parameter} is only valid when {feature} is "
                "among the Features",
            )


def _instance(instance: Instance) -> dict[str, Any]:
    box = instance.box
    return {
        "BoundingBox": {
            "Left": box.left,
            "Top": box.top,
            "Width": box.right - box.left,
            "Height": box.bottom - box.top,
        },
        "Confidence": instance.confidence,
    }
