"""The supported operations and the models behind each of them."""

from collections.abc import Mapping
from pathlib import Path

from localcloud.rekognition import detect_faces, detect_text, images
from localcloud.rekognition.classifier import Classifier
from localcloud.rekognition.compare_faces import CompareFaces
from localcloud.rekognition.detect_faces import DetectFaces
from localcloud.rekognition.detect_labels import DetectLabels
from localcloud.rekognition.detect_moderation_labels import (
    DetectModerationLabels,
    ModerationNetwork,
)
from localcloud.rekognition.detect_text import DetectText
from localcloud.rekognition.detector import Detector
from localcloud.rekognition.face_collections import FaceCollections
from localcloud.rekognition.face_search import FaceSearch
from localcloud.rekognition.faces.faces import Faces
from localcloud.rekognition.images import DecodedImage
from localcloud.rekognition.labels import LabelRecognizer
from localcloud.rekognition.lazily import Lazily
from localcloud.rekognition.service import Operation
from localcloud.rekognition.taxonomy import Taxonomy
from localcloud.rekognition.text.detector import TextDetector
from localcloud.rekognition.text.reader import TextReader
from localcloud.rekognition.text.recognizer import TextRecognizer


def open_operations(models: Mapping[str, Path], collections: Path) -> dict[str, Operation]:
    """The supported operations by name.

    `models` are the paths of the ONNX files by model name, `collections` is the SQLite file of the
    face collections. The label networks are loaded and run once here, so that the first request is
    not slower than the rest; every other network is loaded at its first use.
    """
    text = Lazily(
        lambda: TextRecognizer(
            TextDetector(models["text-detector"]), TextReader(models["text-reader"])
        )
    )
    faces = Lazily(lambda: Faces(models))
    moderation = Lazily(lambda: ModerationNetwork(models["moderation"]))
    search = FaceSearch(faces, FaceCollections(collections))
    side = detect_faces.IMAGE_SIDE
    return {
        "DetectLabels": Operation(_warm_labels(models).answer),
        "DetectText": Operation(DetectText(text).answer, detect_text.IMAGE_SIDE),
        "DetectFaces": Operation(DetectFaces(faces).answer, side),
        "DetectModerationLabels": Operation(DetectModerationLabels(moderation).answer),
        "CompareFaces": Operation(CompareFaces(faces).answer, side),
        "CreateCollection": Operation(search.create_collection),
        "DescribeCollection": Operation(search.describe_collection),
        "ListCollections": Operation(search.list_collections),
        "DeleteCollection": Operation(search.delete_collection),
        "IndexFaces": Operation(search.index_faces, side),
        "SearchFacesByImage": Operation(search.search_faces_by_image, side),
        "SearchFaces": Operation(search.search_faces),
        "ListFaces": Operation(search.list_faces),
        "DeleteFaces": Operation(search.delete_faces),
    }


def _warm_labels(models: Mapping[str, Path]) -> DetectLabels:
    taxonomy = Taxonomy.load()
    detector, classifier = Detector(models["detector"]), Classifier(models["classifier"])
    labels = DetectLabels(LabelRecognizer(detector, classifier, taxonomy), taxonomy)
    labels.answer({}, DecodedImage.blank(images.MIN_SIDE, images.MIN_SIDE))
    return labels
