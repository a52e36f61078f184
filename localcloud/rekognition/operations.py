"""The operations that have a model here, and what each is made of."""

from collections.abc import Mapping
from pathlib import Path

from localcloud.rekognition import detect_text, images
from localcloud.rekognition.classifier import Classifier
from localcloud.rekognition.detect_labels import DetectLabels
from localcloud.rekognition.detect_text import DetectText
from localcloud.rekognition.detector import Detector
from localcloud.rekognition.images import Picture
from localcloud.rekognition.labels import LabelRecognizer
from localcloud.rekognition.lazily import Lazily
from localcloud.rekognition.service import Operation
from localcloud.rekognition.taxonomy import Taxonomy
from localcloud.rekognition.text.detector import TextDetector
from localcloud.rekognition.text.reader import TextReader
from localcloud.rekognition.text.recognizer import TextRecognizer


def open_operations(models: Mapping[str, Path]) -> dict[str, Operation]:
    """By name, with the models of these files.

    The label networks are loaded and run once, so that the first request is as quick as the
    others; every other network is loaded at its first use.
    """
    text = Lazily(
        lambda: TextRecognizer(
            TextDetector(models["text-detector"]), TextReader(models["text-reader"])
        )
    )
    return {
        "DetectLabels": Operation(_warm_labels(models).answer),
        "DetectText": Operation(DetectText(text).answer, detect_text.PICTURE_SIDE),
    }


def _warm_labels(models: Mapping[str, Path]) -> DetectLabels:
    taxonomy = Taxonomy.load()
    detector, classifier = Detector(models["detector"]), Classifier(models["classifier"])
    labels = DetectLabels(LabelRecognizer(detector, classifier, taxonomy), taxonomy)
    labels.answer({}, Picture.blank(images.MIN_SIDE, images.MIN_SIDE))
    return labels
