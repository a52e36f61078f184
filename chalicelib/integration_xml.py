"""An image's result as the XML document that the third party gets, made by dicttoxml."""

import logging
import re
from typing import Any

from chalicelib.model import Image
from chalicelib.representation import result_values

ROOT = "ImageRecognition"

# dicttoxml does not guard its text. What XML 1.0 cannot carry (https://www.w3.org/TR/xml/#charsets)
# becomes the replacement character, so that the reader sees that something stood there. A text, not
# a compiled pattern, because compiling takes 5 ms, and most invocations make no document.
_NOT_XML = "[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

_ITEM_NAMES = {
    "Labels": "Label",
    "Sources": "Source",
    "Parents": "Parent",
    "Aliases": "Alias",
    "Categories": "Category",
    "Instances": "Instance",
}


def document(image: Image) -> bytes:
    """The document in UTF-8. What is not known is left out, so no element is empty by accident."""
    # Most invocations make no document, and should not pay for the imports.
    from xml.etree import ElementTree

    from dicttoxml import dicttoxml

    # dicttoxml logs the whole document many times over at INFO.
    logging.getLogger("dicttoxml").setLevel(logging.WARNING)
    xml: bytes = dicttoxml(
        _elements(result_values(image)),
        custom_root=ROOT,
        attr_type=False,
        item_func=_item_name,
    )
    ElementTree.fromstring(xml)  # noqa: S314 - our own document: never send one that does not parse
    return xml


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
            return re.sub(_NOT_XML, _REPLACEMENT, value)
    return value


def _item_name(parent: str) -> str:
    # dicttoxml asks this of every parent, also of those that hold no list.
    return _ITEM_NAMES.get(parent, "Item")


def _element_name(field_name: str) -> str:
    """`bounding_box` as Rekognition spells it: `BoundingBox`."""
    return "".join(part.capitalize() for part in field_name.split("_"))
