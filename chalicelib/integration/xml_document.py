"""An image's result as the XML document that the third party gets, made by dicttoxml."""

import logging
import math
import re
from pathlib import Path
from typing import Any

from chalicelib.model.documents import result_values
from chalicelib.model.image import Image

ROOT = "ImageRecognition"
VERSION = "1.0"  # of image-recognition.xsd, which every document is valid against

SCHEMA = Path(__file__).with_name("image-recognition.xsd")

# dicttoxml does not guard its text. What XML 1.0 cannot carry (https://www.w3.org/TR/xml/#charsets)
# becomes the replacement character, so that the reader sees that something stood there. A text, not
# a compiled pattern, because compiling takes 5 ms, and most invocations make no document.
_NOT_XML = "[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

_ITEM_NAMES = {
    "Aliases": "Alias",
    "Attributes": "Attribute",
    "Categories": "Category",
    "Celebrities": "Celebrity",
    "DominantColors": "DominantColor",
    "Emotions": "Emotion",
    "Faces": "Face",
    "Features": "Feature",
    "Instances": "Instance",
    "Labels": "Label",
    "Landmarks": "Landmark",
    "ModerationLabels": "ModerationLabel",
    "Parents": "Parent",
    "Polygon": "Point",
    "Sources": "Source",
    "Texts": "Text",
    "Urls": "Url",
}


class NoDocument(Exception):
    """An image cannot be told as XML; the text says why. Trying again would not help."""


def document(image: Image) -> bytes:
    """The document in UTF-8, valid against SCHEMA; raises NoDocument.

    What is not known is left out, so no element is empty by accident. The elements are in the
    order of the dataclasses' fields.
    """
    # Most invocations make no document, and should not pay for the imports.
    from xml.etree import ElementTree

    from dicttoxml import dicttoxml

    # dicttoxml logs the whole document many times over at INFO.
    logging.getLogger("dicttoxml").setLevel(logging.WARNING)
    xml: bytes = dicttoxml(
        {"Version": VERSION} | _elements(result_values(image)),
        custom_root=ROOT,
        attr_type=False,
        item_func=_item_name,
    )
    try:
        ElementTree.fromstring(xml)  # noqa: S314 - our own document
    except ElementTree.ParseError as error:
        raise NoDocument(f"what was made is not XML: {error}") from error
    return xml


def schema() -> str:
    """The published XML Schema of the documents."""
    return SCHEMA.read_text()


def _elements(value: Any) -> Any:
    match value:
        case dict():
            return {
                _element_name(name): _elements(part)
                for name, part in value.items()
                if part is not None
            }
        case list():
            return [_elements(part) for part in value]
        case str():
            # A reader of XML would make one line end of both anyway (section 2.11).
            text = value.replace("\r\n", "\n").replace("\r", "\n")
            return re.sub(_NOT_XML, _REPLACEMENT, text)
        case float() if not math.isfinite(value):
            raise NoDocument(f"{value} is no number that can be told")
    return value


def _item_name(parent: str) -> str:
    # dicttoxml asks this of every parent, also of those that hold no list.
    return _ITEM_NAMES.get(parent, "Item")


def _element_name(field_name: str) -> str:
    """`bounding_box` as Rekognition spells it: `BoundingBox`."""
    return "".join(part.capitalize() for part in field_name.split("_"))
