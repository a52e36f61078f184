from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xmlschema import XMLSchema

from chalicelib.integration.xml_document import SCHEMA, NoDocument, document
from chalicelib.model.findings import (
    AgeRange,
    BoundingBox,
    Celebrity,
    DominantColor,
    Emotion,
    Face,
    FaceAttribute,
    FaceQuality,
    Feature,
    Findings,
    ImageQuality,
    Instance,
    Label,
    Landmark,
    ModerationLabel,
    Point,
    Pose,
    Properties,
    Text,
)
from chalicelib.model.image import Content, Failure, FeatureState, Image, Original, Status
from tests.helpers.images import CAT, CREATED_AT, IMAGE_ID, PENDING, RECOGNIZED, recognized, state

PROJECT = Path(__file__).parents[3]
XML_SCHEMA = XMLSchema(SCHEMA)

ANY_TEXT = st.text(st.characters(), max_size=30)  # surrogates and control characters too
PERCENT = st.floats(0, 100)
RATIO = st.floats(allow_nan=False, allow_infinity=False)
SOME_TEXTS = st.lists(ANY_TEXT, max_size=3).map(tuple)
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
BOXES = st.builds(BoundingBox, RATIO, RATIO, RATIO, RATIO)
INSTANCES = st.lists(st.builds(Instance, PERCENT, BOXES), max_size=3).map(tuple)
LABELS = st.builds(Label, ANY_TEXT, PERCENT, SOME_TEXTS, SOME_TEXTS, SOME_TEXTS, INSTANCES)
COUNTS = st.integers(0, 10**9)
FAILURES = st.none() | st.builds(Failure, ANY_TEXT, ANY_TEXT)
POINTS = st.builds(Point, RATIO, RATIO)
TEXTS = st.builds(
    Text,
    COUNTS,
    st.sampled_from(["LINE", "WORD"]),
    ANY_TEXT,
    PERCENT,
    BOXES,
    st.lists(POINTS, max_size=4).map(tuple),
    st.none() | COUNTS,
)
FACES = st.builds(
    Face,
    PERCENT,
    BOXES,
    st.none() | st.builds(AgeRange, COUNTS, COUNTS),
    st.lists(st.builds(FaceAttribute, ANY_TEXT, ANY_TEXT, PERCENT), max_size=2).map(tuple),
    st.lists(st.builds(Emotion, ANY_TEXT, PERCENT), max_size=2).map(tuple),
    st.lists(st.builds(Landmark, ANY_TEXT, RATIO, RATIO), max_size=2).map(tuple),
    st.none() | st.builds(Pose, RATIO, RATIO, RATIO),
    st.none() | st.builds(FaceQuality, PERCENT, PERCENT),
)
MODERATION_LABELS = st.builds(
    ModerationLabel, ANY_TEXT, PERCENT, st.none() | ANY_TEXT, st.none() | st.integers(1, 3)
)
CELEBRITIES = st.builds(Celebrity, ANY_TEXT, ANY_TEXT, PERCENT, st.none() | BOXES, SOME_TEXTS)
COLORS = st.builds(DominantColor, ANY_TEXT, ANY_TEXT, ANY_TEXT, PERCENT)
PROPERTIES = st.builds(
    Properties,
    st.builds(ImageQuality, PERCENT, PERCENT, PERCENT),
    st.lists(COLORS, max_size=2).map(tuple),
)
FINDINGS = st.builds(
    Findings,
    st.lists(LABELS, max_size=3).map(tuple),
    st.lists(TEXTS, max_size=2).map(tuple),
    st.lists(FACES, max_size=2).map(tuple),
    st.lists(MODERATION_LABELS, max_size=2).map(tuple),
    st.lists(CELEBRITIES, max_size=2).map(tuple),
    st.none() | PROPERTIES,
)
ALL_FEATURES = st.tuples(
    *(
        st.builds(
            FeatureState,
            st.just(feature),
            st.sampled_from(Status),
            MOMENTS,
            st.none() | MOMENTS,
            st.none() | ANY_TEXT,
            FAILURES,
        )
        for feature in Feature
    )
)
IMAGES = st.builds(
    Image,
    id=st.text("0123456789abcdef", min_size=32, max_size=32),
    status=st.sampled_from(Status),
    created_at=MOMENTS,
    sources=SOME_TEXTS,
    content=st.none() | st.builds(Content, ANY_TEXT, COUNTS, COUNTS, COUNTS),
    original=st.none() | st.builds(Original, ANY_TEXT, COUNTS, ANY_TEXT),
    features=ALL_FEATURES,
    findings=FINDINGS,
    recognized_at=st.none() | MOMENTS,
    failure=FAILURES,
)

EVERYTHING = recognized(
    failure=Failure("Code", "reason"),
    features=tuple(state(feature) for feature in Feature),
    findings=replace(
        RECOGNIZED.findings,
        properties=Properties(
            ImageQuality(50, 60, 70), (DominantColor("#808080", "gray", "grey", 9.0),)
        ),
    ),
)


def with_labels(*labels: Label) -> Image:
    """The recognized image with other labels."""
    return recognized(findings=Findings(labels=labels))


def parsed(xml: bytes) -> ElementTree.Element:
    """The root of a document, which must be valid."""
    root = ElementTree.fromstring(xml)  # noqa: S314 - our own document
    XML_SCHEMA.validate(root)
    return root


@given(IMAGES)
def test_the_document_of_any_image_is_valid(image: Image) -> None:
    root = parsed(document(image))
    assert root.findtext("Version") == "1.0"
    assert root.findtext("Id") == image.id
    confidences = [
        float(label.findtext("Confidence", "")) for label in root.iterfind("Labels/Label")
    ]
    assert confidences == [label.confidence for label in image.findings.labels]
    boxes = [
        [float(side.text or "") for side in box]
        for box in root.iterfind("Labels/Label/Instances/Instance/BoundingBox")
    ]
    assert boxes == [
        [box.left, box.top, box.width, box.height]
        for label in image.findings.labels
        for box in (instance.bounding_box for instance in label.instances)
    ]


HIDDEN = ("deliveries", "result_delivery", "last_delivery", "requested_by")


def test_the_schema_has_every_field_in_order() -> None:
    root = parsed(document(EVERYTHING))
    image_fields = [
        field.name for field in fields(Image) if field.name not in ("findings", *HIDDEN)
    ]
    findings_fields = [field.name for field in fields(Findings)]
    names = [
        "".join(part.capitalize() for part in name.split("_"))
        for name in (*image_fields, *findings_fields)
    ]
    assert [element.tag for element in root] == ["Version", *names]
    in_the_schema = [str(element.name) for element in XML_SCHEMA.findall("ImageRecognition/*")]
    assert in_the_schema == ["Version", *names]


def test_a_document_with_elements_in_another_order_is_not_valid() -> None:
    root = parsed(document(EVERYTHING))
    root[1], root[2] = root[2], root[1]
    assert not XML_SCHEMA.is_valid(root)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_makes_no_document(number: float) -> None:
    with pytest.raises(NoDocument):
        document(with_labels(replace(CAT, confidence=number)))


def test_line_ends_are_normalized_as_xml_parsers_do() -> None:
    failure = Failure("Code", "one\r\ntwo\rthree\n")
    xml = document(replace(PENDING, failure=failure))
    assert parsed(xml).findtext("Failure/Reason") == "one\ntwo\nthree\n"
    assert b"\r" not in xml


@pytest.mark.parametrize(
    "copy",
    ["docs/image-recognition.xsd", "examples/third_party/chalicelib/image-recognition.xsd"],
)
def test_the_copies_of_the_schema_equal_the_served_one(copy: str) -> None:
    assert (PROJECT / copy).read_bytes() == SCHEMA.read_bytes()


def test_the_sample_receivers_test_document_is_what_we_send() -> None:
    sample = PROJECT / "examples" / "third_party" / "tests" / "cat.xml"
    assert document(recognized(findings=Findings(labels=(CAT,)))) == sample.read_bytes()


def test_the_same_image_always_makes_the_same_bytes() -> None:
    assert document(EVERYTHING) == document(replace(EVERYTHING, deliveries=()))
    assert document(recognized(created_at=CREATED_AT)) == document(RECOGNIZED)


def test_the_document_has_the_image_and_its_labels_under_rekognitions_names() -> None:
    root = parsed(document(RECOGNIZED))
    assert root.tag == "ImageRecognition"
    assert root.findtext("Id") == IMAGE_ID
    assert root.findtext("Status") == "RECOGNIZED"
    assert [label.findtext("Name") for label in root.iterfind("Labels/Label")] == [
        "Cat",
        "Coffee Cup",
    ]
    cat = root.find("Labels/Label")
    assert cat is not None
    assert float(cat.findtext("Confidence", "")) == 98.25
    assert [parent.text for parent in cat.iterfind("Parents/Parent")] == list(CAT.parents)
    assert cat.findtext("Aliases/Alias") == "Kitty"
    assert cat.findtext("Categories/Category") == "Animals and Pets"
    box = cat.find("Instances/Instance/BoundingBox")
    assert box is not None
    assert [float(side.text or "") for side in box] == [0.1, 0.2, 0.5, 0.25]


def test_the_document_does_not_contain_its_own_delivery() -> None:
    assert parsed(document(RECOGNIZED)).find("Delivery") is None


def test_a_failure_has_its_code_and_reason() -> None:
    failure = Failure("InvalidImageFormatException", "Not <an> image & more")
    image = replace(PENDING, status=Status.FAILED, failure=failure)
    root = parsed(document(image))
    assert root.findtext("Failure/Code") == failure.code
    assert root.findtext("Failure/Reason") == failure.reason


@given(st.text(st.characters(), max_size=50))
def test_any_text_makes_a_valid_document_and_alphanumeric_text_survives(name: str) -> None:
    image = replace(with_labels(replace(CAT, name=f"[{name}]")), sources=(f"http://e/{name}",))
    received = parsed(document(image)).findtext("Labels/Label/Name") or ""
    if name.isalnum():
        assert received == f"[{name}]"
    assert received.startswith("[")
    assert received.endswith("]")


def test_characters_that_xml_forbids_become_the_replacement_character() -> None:
    image = with_labels(replace(CAT, name="a\x00b\x0bc\ufffed\ud800e"))
    name = parsed(document(image)).findtext("Labels/Label/Name")
    assert name == "a\ufffdb\ufffdc\ufffdd\ufffde"
