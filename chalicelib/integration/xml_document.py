"""The XML document of an image's result, which the third party receives; made with dicttoxml."""

import logging
import math
import re
from pathlib import Path
from typing import Any

from chalicelib.model.documents import result_values
from chalicelib.model.image import Image

ROOT = "ImageRecognition"
VERSION = "1.0"  # of image-recognition.xsd

SCHEMA = Path(__file__).with_name("image-recognition.xsd")

# dicttoxml does not remove characters that XML 1.0 forbids (https://www.w3.org/TR/xml/#charsets).
# They become U+FFFD, so that readers notice the loss. This is a string and not a compiled pattern,
# because compiling takes 5 ms and most invocations make no document.
_FORBIDDEN_IN_XML = "[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
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
    """Raised when an image cannot be represented as XML. It is permanent; the message says why."""


def document(image: Image) -> bytes:
    """The image's result as XML in UTF-8, valid against SCHEMA.

    A value of None has no element, so an empty element means an empty list or string. Elements are
    in the order of the dataclasses' fields. Raises NoDocument for a number that is not finite, and
    if the document is not well-formed.
    """
    # Imported here, because most invocations make no document.
    from xml.etree import ElementTree

    from dicttoxml import dicttoxml

    # At INFO, dicttoxml logs the whole document many times.
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
        raise NoDocument(f"the document is not well-formed XML: {error}") from error
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
            # XML parsers normalize line ends to \n anyway (XML 1.0, section 2.11).
            text = value.replace("\r\n", "\n").replace("\r", "\n")
            return re.sub(_FORBIDDEN_IN_XML, _REPLACEMENT, text)
        case float() if not math.isfinite(value):
            raise NoDocument(f"{value} is not a finite number")
    return value


def _item_name(parent: str) -> str:
    # dicttoxml calls this for every parent, including those that are not lists.
    return _ITEM_NAMES.get(parent, "Item")


def _element_name(field_name: str) -> str:
    """A field's name in Rekognition's spelling: `bounding_box` becomes `BoundingBox`."""
    return "".join(part.capitalize() for part in field_name.split("_"))
