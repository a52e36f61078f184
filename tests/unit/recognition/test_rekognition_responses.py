"""Rekognition's responses, as its developer guide shows them, are converted to our dataclasses.

Shortened from the examples of each operation in
https://docs.aws.amazon.com/rekognition/latest/dg/.
"""

from typing import Any

from chalicelib.model.findings import (
    AgeRange,
    BoundingBox,
    Celebrity,
    DominantColor,
    Emotion,
    FaceAttribute,
    FaceQuality,
    Feature,
    Findings,
    ImageQuality,
    Landmark,
    ModerationLabel,
    Point,
    Pose,
    Properties,
    RekognitionCall,
    Text,
    merge_findings,
)
from chalicelib.recognition import rekognition_responses as responses
from chalicelib.recognition.rekognition import calls_for

BOX = {"Width": 0.10, "Height": 0.09, "Left": 0.22, "Top": 0.17}

# "DetectLabels response": a street with cars.
LABELS: dict[str, Any] = {
    "Labels": [
        {
            "Name": "Mobile Phone",
            "Confidence": 99.36,
            "Instances": [],
            "Parents": [{"Name": "Phone"}],
            "Aliases": [{"Name": "Cell Phone"}],
            "Categories": [{"Name": "Technology and Computing"}],
        },
        {
            "Name": "Car",
            "Confidence": 99.98,
            "Instances": [{"BoundingBox": BOX, "Confidence": 99.97}],
            "Parents": [{"Name": "Vehicle"}, {"Name": "Transportation"}],
            "Aliases": [],
            "Categories": [{"Name": "Vehicles and Automotive"}],
        },
    ],
    "ImageProperties": {
        "Quality": {"Brightness": 40.0, "Sharpness": 40.5, "Contrast": 24.7},
        "DominantColors": [
            {
                "Red": 220,
                "Green": 0,
                "Blue": 10,
                "HexCode": "DC000A",
                "CSSColor": "crimson",
                "SimplifiedColor": "red",
                "PixelPercent": 16.1,
            }
        ],
        "Foreground": {},
        "Background": {},
    },
    "LabelModelVersion": "3.0",
}

# "DetectText response": IT'S MONDAY, but keep Smiling.
TEXT: dict[str, Any] = {
    "TextDetections": [
        {
            "DetectedText": "IT'S",
            "Type": "LINE",
            "Id": 0,
            "Confidence": 90.54900360107422,
            "Geometry": {
                "BoundingBox": BOX,
                "Polygon": [
                    {"X": 0.22, "Y": 0.17},
                    {"X": 0.32, "Y": 0.17},
                    {"X": 0.32, "Y": 0.26},
                    {"X": 0.22, "Y": 0.26},
                ],
            },
        },
        {
            "DetectedText": "IT'S",
            "Type": "WORD",
            "Id": 1,
            "ParentId": 0,
            "Confidence": 90.54900360107422,
            "Geometry": {"BoundingBox": BOX},
        },
    ],
    "TextModelVersion": "3.0",
}

# "DetectFaces response", with all attributes.
FACE: dict[str, Any] = {
    "BoundingBox": {"Width": 0.79, "Height": 0.76, "Left": 0.11, "Top": 0.12},
    "AgeRange": {"Low": 24, "High": 34},
    "Smile": {"Value": True, "Confidence": 99.9},
    "Eyeglasses": {"Value": False, "Confidence": 96.5},
    "Sunglasses": {"Value": False, "Confidence": 97.0},
    "Gender": {"Value": "Female", "Confidence": 99.4},
    "Beard": {"Value": False, "Confidence": 96.1},
    "Mustache": {"Value": False, "Confidence": 98.9},
    "EyesOpen": {"Value": True, "Confidence": 97.6},
    "MouthOpen": {"Value": True, "Confidence": 86.4},
    "Emotions": [
        {"Type": "CALM", "Confidence": 0.3},
        {"Type": "HAPPY", "Confidence": 99.1},
    ],
    "Landmarks": [{"Type": "eyeLeft", "X": 0.31, "Y": 0.44}],
    "Pose": {"Roll": -1.7, "Yaw": 5.6, "Pitch": 3.9},
    "Quality": {"Brightness": 79.9, "Sharpness": 93.7},
    "Confidence": 99.99,
    "FaceOccluded": {"Value": False, "Confidence": 99.1},
    "EyeDirection": {"Yaw": 16.3, "Pitch": -6.4, "Confidence": 99.9},
}

# "DetectModerationLabels response", version 7.
MODERATION: dict[str, Any] = {
    "ModerationLabels": [
        {
            "Confidence": 99.2,
            "Name": "Smoking",
            "ParentName": "Drugs & Tobacco",
            "TaxonomyLevel": 2,
        },
        {"Confidence": 99.5, "Name": "Drugs & Tobacco", "ParentName": "", "TaxonomyLevel": 1},
    ],
    "ModerationModelVersion": "7.0",
}

# "RecognizeCelebrities response".
CELEBRITIES: dict[str, Any] = {
    "CelebrityFaces": [
        {
            "Face": {"BoundingBox": BOX, "Confidence": 99.9, "Landmarks": []},
            "Id": "1XJ5dK1a",
            "KnownGender": {"Type": "Male"},
            "MatchConfidence": 98.0,
            "Name": "Jeff Bezos",
            "Urls": ["www.wikidata.org/wiki/Q312556"],
        }
    ],
    "UnrecognizedFaces": [],
}


def test_labels_are_sorted_by_confidence_and_keep_parents_aliases_and_categories() -> None:
    car, phone = responses.labels(LABELS)
    assert (car.name, car.confidence, car.parents) == ("Car", 99.98, ("Vehicle", "Transportation"))
    assert car.categories == ("Vehicles and Automotive",)
    assert [each.confidence for each in car.instances] == [99.97]
    assert car.instances[0].bounding_box == BoundingBox(0.22, 0.17, 0.10, 0.09)
    assert (phone.name, phone.aliases, phone.instances) == ("Mobile Phone", ("Cell Phone",), ())


def test_properties_describe_the_whole_image() -> None:
    assert responses.properties(LABELS) == Properties(
        ImageQuality(brightness=40.0, sharpness=40.5, contrast=24.7),
        (DominantColor("DC000A", "crimson", "red", 16.1),),
    )
    assert responses.properties({"Labels": []}) is None


def test_texts_are_lines_and_the_words_in_them() -> None:
    line, word = responses.texts(TEXT)
    box = BoundingBox(0.22, 0.17, 0.10, 0.09)
    corners = (Point(0.22, 0.17), Point(0.32, 0.17), Point(0.32, 0.26), Point(0.22, 0.26))
    assert line == Text(0, "LINE", "IT'S", 90.54900360107422, box, corners)
    assert word == Text(1, "WORD", "IT'S", 90.54900360107422, box, (), parent_id=0)


def test_a_face_has_all_its_attributes() -> None:
    (face,) = responses.faces({"FaceDetails": [FACE]})
    assert face.bounding_box == BoundingBox(left=0.11, top=0.12, width=0.79, height=0.76)
    assert face.age_range == AgeRange(24, 34)
    assert FaceAttribute("Smile", "True", 99.9) in face.attributes
    assert FaceAttribute("Gender", "Female", 99.4) in face.attributes
    assert len(face.attributes) == 9
    assert face.emotions == (Emotion("HAPPY", 99.1), Emotion("CALM", 0.3))
    assert face.landmarks == (Landmark("eyeLeft", 0.31, 0.44),)
    assert face.pose == Pose(roll=-1.7, yaw=5.6, pitch=3.9)
    assert face.quality == FaceQuality(brightness=79.9, sharpness=93.7)
    assert face.confidence == 99.99


def test_missing_attributes_of_a_face_are_none_or_empty() -> None:
    (face,) = responses.faces({"FaceDetails": [{"BoundingBox": BOX, "Confidence": 90.0}]})
    assert (face.age_range, face.pose, face.quality) == (None, None, None)
    assert (face.attributes, face.emotions, face.landmarks) == ((), (), ())


def test_moderation_labels_have_their_parent_and_taxonomy_level() -> None:
    assert responses.moderation_labels(MODERATION) == (
        ModerationLabel("Drugs & Tobacco", 99.5, None, 1),
        ModerationLabel("Smoking", 99.2, "Drugs & Tobacco", 2),
    )


def test_celebrities_have_their_names_and_bounding_boxes() -> None:
    assert responses.celebrities(CELEBRITIES) == (
        Celebrity(
            "1XJ5dK1a",
            "Jeff Bezos",
            98.0,
            BoundingBox(0.22, 0.17, 0.10, 0.09),
            ("www.wikidata.org/wiki/Q312556",),
        ),
    )


def test_an_empty_response_has_no_findings() -> None:
    for read in (
        responses.labels,
        responses.texts,
        responses.faces,
        responses.moderation_labels,
        responses.celebrities,
    ):
        assert read({}) == ()


def test_every_feature_has_an_operation_and_labels_and_properties_share_one() -> None:
    assert calls_for(Feature) == (
        RekognitionCall("DetectLabels", (Feature.LABELS, Feature.PROPERTIES)),
        RekognitionCall("DetectText", (Feature.TEXT,)),
        RekognitionCall("DetectFaces", (Feature.FACES,)),
        RekognitionCall("DetectModerationLabels", (Feature.MODERATION,)),
        RekognitionCall("RecognizeCelebrities", (Feature.CELEBRITIES,)),
    )
    assert calls_for([Feature.PROPERTIES]) == (
        RekognitionCall("DetectLabels", (Feature.PROPERTIES,)),
    )
    assert calls_for([]) == ()


def test_the_findings_of_several_calls_are_merged() -> None:
    labels, texts = responses.labels(LABELS), responses.texts(TEXT)
    merged = merge_findings([Findings(labels=labels), Findings(texts=texts)])
    assert merged == Findings(labels=labels, texts=texts)
