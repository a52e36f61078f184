from dataclasses import replace
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.integration_xml import document
from chalicelib.model import Failure, Status
from tests.unit.images import CAT, IMAGE_ID, PENDING, RECOGNIZED, recognized


def parsed(xml: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(xml)  # noqa: S314 - our own document


def test_the_document_tells_the_image_and_its_labels_in_rekognitions_words() -> None:
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


def test_the_document_does_not_tell_the_state_of_its_own_delivery() -> None:
    assert parsed(document(RECOGNIZED)).find("Delivery") is None


def test_a_failure_is_told_with_its_reason() -> None:
    failure = Failure("InvalidImageFormatException", "Not <an> image & more")
    image = replace(PENDING, status=Status.FAILED, failure=failure)
    root = parsed(document(image))
    assert root.findtext("Failure/Code") == failure.code
    assert root.findtext("Failure/Reason") == failure.reason


@given(st.text(st.characters(), max_size=50))
def test_any_text_makes_a_document_that_parses_and_keeps_what_xml_can_carry(name: str) -> None:
    image = recognized(labels=(replace(CAT, name=f"[{name}]"),), sources=(f"http://e/{name}",))
    told = parsed(document(image)).findtext("Labels/Label/Name") or ""
    if name.isalnum():
        assert told == f"[{name}]"
    assert told.startswith("[")
    assert told.endswith("]")


def test_what_xml_cannot_carry_is_visibly_replaced() -> None:
    image = recognized(labels=(replace(CAT, name="a\x00b\x0bc\ufffed\ud800e"),))
    name = parsed(document(image)).findtext("Labels/Label/Name")
    assert name == "a\ufffdb\ufffdc\ufffdd\ufffde"
