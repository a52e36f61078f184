"""Recognizes the labels of an image with the detector and the classifier."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from localcloud.rekognition.classifier import Classifier, center_view
from localcloud.rekognition.detector import Box, Detection, Detector
from localcloud.rekognition.fusion import PERSON, Label, SeenObject, fuse
from localcloud.rekognition.images import DecodedImage, Pixels
from localcloud.rekognition.taxonomy import Taxonomy

# The classifier takes about 10 ms per crop on two cores.
MAX_CROPS = 6
# A box is often slightly tight; the classifier was trained on images with some context.
_CROP_MARGIN = 0.1
_MIN_CROP_PIXELS = 8


class LabelRecognizer:
    """Runs the detector and the classifier and fuses their results; thread-safe."""

    def __init__(self, detector: Detector, classifier: Classifier, taxonomy: Taxonomy) -> None:
        self._detector = detector
        self._classifier = classifier
        self._taxonomy = taxonomy

    def recognize(self, image: DecodedImage) -> list[Label]:
        """The labels of an image, most confident first."""
        detections = self._detector.detect(image)
        classified = self._to_classify(detections)
        views = whole_views(image.pixels)
        crops = [_crop(image, found.box) for found in classified]
        middle_views = whole_views(middle(image.pixels))
        probabilities = iter(self._classifier.classify([*views, *middle_views, *crops]))
        whole = np.mean([next(probabilities) for _ in views], axis=0)
        in_middle = np.mean([next(probabilities) for _ in middle_views], axis=0)
        crop_probabilities = dict(zip(classified, probabilities, strict=True))
        objects = [
            SeenObject(
                label=self._taxonomy.label_by_coco_class[found.class_id],
                score=found.score,
                box=found.box,
                crop=crop_probabilities.get(found),
            )
            for found in detections
        ]
        return fuse(whole, in_middle, objects, self._taxonomy)

    def _to_classify(self, detections: Sequence[Detection]) -> Sequence[Detection]:
        """The detections whose crops are classified, at most MAX_CROPS.

        The best box of each class comes first, then the second best of each, so that every class
        is represented. People are excluded: the classifier has no class for them and would name
        what they wear or hold.
        """
        count_by_class: Counter[int] = Counter()
        ranked = []
        for found in detections:
            if self._taxonomy.label_by_coco_class[found.class_id] != PERSON:
                ranked.append((count_by_class[found.class_id], found))
                count_by_class[found.class_id] += 1
        ranked.sort(key=lambda rank_and_found: rank_and_found[0])
        return [found for _rank, found in ranked[:MAX_CROPS]]


def whole_views(pixels: Pixels) -> Sequence[Pixels]:
    """The views of an image to classify: its center square, all of it, and all of it mirrored.

    The network expects the center square; the other views cover what lies outside of it.
    """
    return [center_view(pixels), pixels, np.ascontiguousarray(pixels[:, ::-1])]


def middle(pixels: Pixels) -> Pixels:
    """The center crop: `pixels` without a sixth of the shorter side on every side."""
    height, width = pixels.shape[:2]
    margin = min(height, width) // 6
    return pixels[margin : height - margin, margin : width - margin]


def _crop(image: DecodedImage, box: Box) -> Pixels:
    horizontal = (box.right - box.left) * _CROP_MARGIN
    vertical = (box.bottom - box.top) * _CROP_MARGIN
    left, right = _span(box.left - horizontal, box.right + horizontal, image.width)
    top, bottom = _span(box.top - vertical, box.bottom + vertical, image.height)
    return image.pixels[top:bottom, left:right]


def _span(start: float, end: float, size: int) -> tuple[int, int]:
    """A span given in ratios, in pixels, within `size` and at least _MIN_CROP_PIXELS long."""
    first = min(max(0, int(start * size)), size - _MIN_CROP_PIXELS)
    return first, max(min(size, int(end * size) + 1), first + _MIN_CROP_PIXELS)
