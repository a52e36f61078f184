"""Combines the scores of the detector and the classifier into labels, without running a network.

The rules and their purpose (measurements: docs/quality.md):

1. A label's probability is the sum over the classes below it: ten uncertain breeds make a certain
   Dog.
2. A box alone is not evidence. The detector knows 80 classes and assigns one of them to any object;
   the classifier must confirm the class on the box's crop.
3. What the classifier recognizes in a crop is a label too, so a squirrel that the detector took for
   a bird is found even outside the center of the image.
4. A small subject is clearer in the center crop: a label with some probability in the whole image
   takes its probability in the center crop, if that is higher.
5. A label's ancestors are labels too, with at least its confidence.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from localcloud.rekognition.classifier import Probabilities
from localcloud.rekognition.detector import Box
from localcloud.rekognition.taxonomy import Taxonomy

# Out of a thousand classes, a probability below this is noise. A sum of very many small ones is not
# evidence either: four hundred classes are animals.
_MIN_CLASS_PROBABILITY = 0.01
_MAX_SUM_OF_LARGEST = 4.0
# The center crop counts only for labels with at least this probability in the whole image: by
# itself it often looks like something else, as a piece of a pattern looks like a rug.
_MIN_WHOLE_PROBABILITY = 0.1
# A crop has less context than the images that the classifier was trained on.
_CROP_WEIGHT = 0.8
# Classes that the network predicts for images without content: gradients, noise, plain shapes,
# patterns (mean probability above 0.01; python -m benchmarks.label_quality --nothing).
_FALSE_CLASSES = np.array([418, 446, 530, 549, 556, 599, 688, 723, 782, 904, 906])
_FALSE_CLASS_WEIGHT = 0.6
# Probabilities that the crop shows the box's label: at or above _CONFIRMED the label is confirmed
# (chance level is about 0.001), below _CONTRADICTED it is contradicted. If the classifier has no
# class for the label itself, its category needs the higher _CONFIRMED_BY_CATEGORY.
_CONFIRMED = 0.1
_CONFIRMED_BY_CATEGORY = 0.5
_CONTRADICTED = 0.02
# The detector alone decides on people, because the classifier has no class for them.
PERSON = "Person"
_UNCONFIRMED_CONFIDENCE = 69.0
_CONTRADICTED_CONFIDENCE = 45.0


@dataclass(frozen=True)
class SeenObject:
    """A detected object: its label, score (0 to 1) and box.

    `crop` holds the class probabilities [1000] of the box's crop, or None if it was not classified.
    """

    label: str
    score: float
    box: Box
    crop: Probabilities | None


@dataclass(frozen=True)
class Instance:
    """One object of a label: its confidence (0 to 100) and its box."""

    confidence: float
    box: Box


@dataclass(frozen=True)
class Label:
    """A label: its confidence (0 to 100) and its instances, most confident first."""

    name: str
    confidence: float
    instances: tuple[Instance, ...] = ()


def fuse(
    whole: Probabilities,
    middle: Probabilities,
    objects: Sequence[SeenObject],
    taxonomy: Taxonomy,
) -> list[Label]:
    """The labels of an image, most confident first.

    `whole` and `middle` are the class probabilities [1000] of the whole image and of its center
    crop; `objects` are the detected objects.
    """
    in_whole = _label_probabilities(whole, taxonomy)
    in_middle = _label_probabilities(middle, taxonomy)
    confidences = dict(_classified(in_whole))
    plausible = {
        name for name, probability in in_whole.items() if probability >= _MIN_WHOLE_PROBABILITY
    }
    _raise_to(confidences, _classified({name: in_middle.get(name, 0.0) for name in plausible}))
    for seen in objects:
        if seen.crop is not None:
            in_crop = _label_probabilities(seen.crop * _CROP_WEIGHT, taxonomy)
            _raise_to(confidences, _classified(in_crop))
    instances = _instances(objects, taxonomy)
    for name, found in instances.items():
        best = max(instance.confidence for instance in found)
        _raise_to(confidences, [(name, best)])
        _raise_to(confidences, [(parent, best) for parent in taxonomy.labels[name].ancestors])
    labels = [
        Label(name, confidence, tuple(instances.get(name, ())))
        for name, confidence in confidences.items()
    ]
    # Ties: the more specific label first, then by name, so that the response is deterministic.
    return sorted(
        labels,
        key=lambda label: (
            -label.confidence,
            -len(taxonomy.labels[label.name].ancestors),
            label.name,
        ),
    )


def classifier_confidence(probability: float) -> float:
    """The confidence (0 to 100) of a label that the classifier gives a probability (0 to 1).

    The network was trained with label smoothing: it returns 0.9 where it is certain, and where it
    returns 0.5 it is right about 80 % of the time. The calibration is a line in log-odds through
    these two points.
    """
    bounded = min(max(probability, 1e-6), 1 - 1e-6)
    return _logistic(1.386 + 1.86 * math.log(bounded / (1 - bounded)))


def person_confidence(score: float) -> float:
    """The confidence (0 to 100) of a person to whom the detector gives a mean score (0 to 1)."""
    bounded = min(max(score, 1e-6), 1 - 1e-6)
    return _logistic(0.2 + 1.3 * math.log(bounded / (1 - bounded)))


def object_confidence(score: float, support: float) -> float:
    """The confidence (0 to 100) of a detected object that is not a person.

    `score` (0 to 1) is the detector's; `support` (0 to 1) is the probability of the object's label
    in its crop. Without enough support the confidence is capped.
    """
    if support >= _CONFIRMED:
        return 100 * (1 - (1 - score) * (1 - _CROP_WEIGHT * support))
    cap = _UNCONFIRMED_CONFIDENCE if support >= _CONTRADICTED else _CONTRADICTED_CONFIDENCE
    return min(100 * score, cap)


def _label_probabilities(probabilities: Probabilities, taxonomy: Taxonomy) -> Mapping[str, float]:
    filtered = np.where(probabilities >= _MIN_CLASS_PROBABILITY, probabilities, 0)
    filtered[_FALSE_CLASSES] *= _FALSE_CLASS_WEIGHT
    sums = {
        name: _sum(filtered[indices]) for name, indices in taxonomy.imagenet_indices_below.items()
    }
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
        # One confirmed cup makes the other cups on the table credible.
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
    """The probability (0 to 1) that the classifier gives an object's label in its crop.

    For a label without a class of its own, such as Giraffe, the classes of its category count,
    scaled: an animal confirms it, a building does not.
    """
    if seen.crop is None:
        return 0.0
    if len(taxonomy.imagenet_indices_below[seen.label]):
        return float(seen.crop[taxonomy.imagenet_indices_below[seen.label]].sum())
    indices = taxonomy.imagenet_indices_in_category[taxonomy.labels[seen.label].category]
    return float(seen.crop[indices].sum()) * _CONFIRMED / _CONFIRMED_BY_CATEGORY


def _logistic(log_odds: float) -> float:
    return 100 / (1 + math.exp(-log_odds))
