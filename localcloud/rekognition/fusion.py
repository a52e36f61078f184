"""Turns the scores of the two networks into labels. No network runs here, so each rule is tested.

The rules, and what they are for (figures: docs/quality.md):

1. A label's probability is the sum over the classes below it: ten unsure breeds are a sure Dog.
2. A box alone is no proof. The detector knows 80 classes and puts one on whatever it is shown;
   the classifier looks at the box's crop and has to see the same thing.
3. What the classifier sees in a box is a label too, so the squirrel that the detector took for a
   bird is found although it is not in the middle of the picture.
4. A small subject is clearer in the middle of the picture: a label that the whole picture hints at
   is as probable as it is there.
5. A label's ancestors are labels too, with at least its confidence.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from localcloud.rekognition.classifier import Probabilities
from localcloud.rekognition.detector import Box
from localcloud.rekognition.taxonomy import Taxonomy

# Of a thousand classes, one below this is noise; and a sum of very many small ones is no evidence:
# four hundred classes are animals.
_MIN_CLASS_PROBABILITY = 0.01
_MAX_SUM_OF_LARGEST = 4.0
# The probability in the whole picture from which on its middle may tell more. The middle alone is
# often something else altogether: a piece of a pattern is a rug.
_AGREED = 0.1
# A part shows less of the surroundings than the pictures that the classifier was trained on.
_PART_WEIGHT = 0.8
# Classes that the network sees in pictures of nothing: gradients, noise, plain shapes, patterns
# (mean probability above 0.01; python -m benchmarks.label_quality --nothing). They count less.
_SEEN_IN_NOTHING = np.array([418, 446, 530, 549, 556, 599, 688, 723, 782, 904, 906])
_NOTHING_WEIGHT = 0.6
# Probabilities that the crop shows the box's label: from the first on it is confirmed (by chance
# it would be about 0.001), below the second it is not there. Where the classifier knows only other
# things of the label's category, more is needed.
_CONFIRMED = 0.1
_CONFIRMED_BY_CATEGORY = 0.5
_CONTRADICTED = 0.02
# People are confirmed by the detector alone; the classifier has no class for them.
PERSON = "Person"
_UNCONFIRMED_CONFIDENCE = 69.0
_CONTRADICTED_CONFIDENCE = 45.0


@dataclass(frozen=True)
class SeenObject:
    """A box of the detector, score 0 to 1, and what the classifier sees in it, if it looked."""

    label: str
    score: float
    box: Box
    crop: Probabilities | None


@dataclass(frozen=True)
class Instance:
    """Where one object of a label is; confidence 0 to 100."""

    confidence: float
    box: Box


@dataclass(frozen=True)
class Label:
    """A label with its confidence, 0 to 100, and its instances, the best first."""

    name: str
    confidence: float
    instances: tuple[Instance, ...] = ()


def fuse(
    whole: Probabilities,
    middle: Probabilities,
    objects: Sequence[SeenObject],
    taxonomy: Taxonomy,
) -> list[Label]:
    """The labels, the most confident first.

    They come from the classes of the whole picture, those of its middle, and its objects.
    """
    in_whole = _label_probabilities(whole, taxonomy)
    in_middle = _label_probabilities(middle, taxonomy)
    confidences = dict(_classified(in_whole))
    agreed = {name for name, probability in in_whole.items() if probability >= _AGREED}
    _raise_to(confidences, _classified({name: in_middle.get(name, 0.0) for name in agreed}))
    for seen in objects:
        if seen.crop is not None:
            part = _label_probabilities(seen.crop * _PART_WEIGHT, taxonomy)
            _raise_to(confidences, _classified(part))
    instances = _instances(objects, taxonomy)
    for name, found in instances.items():
        best = max(instance.confidence for instance in found)
        _raise_to(confidences, [(name, best)])
        _raise_to(confidences, [(parent, best) for parent in taxonomy.labels[name].ancestors])
    labels = [
        Label(name, confidence, tuple(instances.get(name, ())))
        for name, confidence in confidences.items()
    ]
    # Among equals the more specific first, then by name: the same picture, the same answer.
    return sorted(
        labels,
        key=lambda label: (
            -label.confidence,
            -len(taxonomy.labels[label.name].ancestors),
            label.name,
        ),
    )


def classifier_confidence(probability: float) -> float:
    """The confidence, 0 to 100, of a label that the classifier gives a probability.

    The network was trained with smoothed labels: it says 0.9 where it is certain, and where it
    says 0.5 it is right about four times in five. A line through these two points in log-odds.
    """
    bounded = min(max(probability, 1e-6), 1 - 1e-6)
    return _logistic(1.386 + 1.86 * math.log(bounded / (1 - bounded)))


def person_confidence(score: float) -> float:
    """The confidence, 0 to 100, of a person whom the detector gives a score in both looks."""
    bounded = min(max(score, 1e-6), 1 - 1e-6)
    return _logistic(0.2 + 1.3 * math.log(bounded / (1 - bounded)))


def object_confidence(score: float, support: float) -> float:
    """The confidence, 0 to 100, of a box with a score in whose crop its label has a probability."""
    if support >= _CONFIRMED:
        return 100 * (1 - (1 - score) * (1 - _PART_WEIGHT * support))
    cap = _UNCONFIRMED_CONFIDENCE if support >= _CONTRADICTED else _CONTRADICTED_CONFIDENCE
    return min(100 * score, cap)


def _label_probabilities(probabilities: Probabilities, taxonomy: Taxonomy) -> Mapping[str, float]:
    clear = np.where(probabilities >= _MIN_CLASS_PROBABILITY, probabilities, 0)
    clear[_SEEN_IN_NOTHING] *= _NOTHING_WEIGHT
    sums = {name: _sum(clear[indices]) for name, indices in taxonomy.imagenet_indices_below.items()}
    return {name: probability for name, probability in sums.items() if probability > 0}


def _sum(probabilities: Probabilities) -> float:
    if not len(probabilities):
        return 0.0
    return float(min(probabilities.sum(), probabilities.max() * _MAX_SUM_OF_LARGEST))


def _classified(probabilities: Mapping[str, float]) -> Iterable[tuple[str, float]]:
    return [(name, classifier_confidence(value)) for name, value in probabilities.items()]


def _raise_to(confidences: dict[str, float], others: Iterable[tuple[str, float]]) -> None:
    for name, confidence in others:
        confidences[name] = max(confidences.get(name, 0.0), confidence)


def _instances(objects: Sequence[SeenObject], taxonomy: Taxonomy) -> Mapping[str, list[Instance]]:
    instances: dict[str, list[Instance]] = {}
    for name in dict.fromkeys(seen.label for seen in objects):
        group = [seen for seen in objects if seen.label == name]
        supports = [_support(seen, taxonomy) for seen in group]
        # One confirmed cup makes the others on the table believable.
        shared = max(supports) if max(supports) >= _CONFIRMED else 0.0
        found = [
            Instance(_confidence(seen, max(support, min(shared, _CONFIRMED))), seen.box)
            for seen, support in zip(group, supports, strict=True)
        ]
        instances[name] = sorted(found, key=lambda instance: -instance.confidence)
    return instances


def _confidence(seen: SeenObject, support: float) -> float:
    if seen.label == PERSON:
        return person_confidence(seen.score)
    return object_confidence(seen.score, support)


def _support(seen: SeenObject, taxonomy: Taxonomy) -> float:
    """How probable the classifier finds a box's label in its crop.

    For a label that the classifier has no class for, a giraffe for instance, the classes of its
    category speak: an animal confirms it, a building does not.
    """
    if seen.crop is None:
        return 0.0
    if len(taxonomy.imagenet_indices_below[seen.label]):
        return float(seen.crop[taxonomy.imagenet_indices_below[seen.label]].sum())
    indices = taxonomy.imagenet_indices_in_category[taxonomy.labels[seen.label].category]
    return float(seen.crop[indices].sum()) * _CONFIRMED / _CONFIRMED_BY_CATEGORY


def _logistic(log_odds: float) -> float:
    return 100 / (1 + math.exp(-log_odds))
