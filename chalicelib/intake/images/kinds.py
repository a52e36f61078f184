"""Identifies a file's kind from its bytes, never from its name or Content-Type."""

import io
import re
import zipfile
from importlib.util import find_spec

from chalicelib.model.errors import ImageHidesAnotherFile, ImageKindNotSupported, NotAnImage

# The supported kinds and their signatures.
_SUPPORTED = (
    ("JPEG", re.compile(rb"\xff\xd8\xff")),
    ("PNG", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("GIF", re.compile(rb"GIF8[79]a")),
    ("WEBP", re.compile(rb"RIFF....WEBP", re.DOTALL)),
    ("AVIF", re.compile(rb"....ftypavi[fs]", re.DOTALL)),
    # mif1 does not determine the codec; the compatible brands that follow do.
    ("AVIF", re.compile(rb"....ftypmif1....(?:....){0,16}?avi[fs]", re.DOTALL)),
    ("HEIC", re.compile(rb"....ftyp(?:hei[cxms]|hev[cxms]|mif1|msf1)", re.DOTALL)),
    ("TIFF", re.compile(rb"II\*\0|MM\0\*")),
    ("BMP", re.compile(rb"BM.{8}", re.DOTALL)),
)

# Supported only if the package is installed; it is not in requirements.txt (docs/decisions/0023).
_OPTIONAL_DECODERS = {"HEIC": "pillow_heif"}

_UNSUPPORTED = (
    ("a PDF document", re.compile(rb"%PDF-")),
    ("a PostScript document", re.compile(rb"%!PS")),
    ("a JPEG XL image", re.compile(rb"\xff\x0a|\0\0\0\x0cJXL ")),
    ("a JPEG 2000 image", re.compile(rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51")),
    ("a Photoshop document", re.compile(rb"8BPS")),
    ("a BigTIFF image", re.compile(rb"II\+\0|MM\0\+")),
    ("an icon", re.compile(rb"\0\0[\1\2]\0")),
    ("a video", re.compile(rb"....ftyp|\x1a\x45\xdf\xa3|RIFF....AVI ", re.DOTALL)),
)

_BYTE_ORDER_MARK_AND_SPACE = b"\xef\xbb\xbf \t\r\n"
_HTML_TAGS = (b"<!doctype html", b"<html", b"<head", b"<body")

# Long enough not to occur in compressed pixel data by chance.
_MARKUP_OR_SCRIPT = re.compile(rb"<!doctype html|<html>|<html |<script|<\?php\s", re.IGNORECASE)

_INSPECTED_BYTES = 4096
_SUPPORTED_KINDS = "JPEG, PNG, WebP, AVIF, GIF, TIFF or BMP"


def kind_of(content: bytes) -> str:
    """JPEG, PNG, GIF, WEBP, AVIF, TIFF or BMP; HEIC too if pillow-heif is installed.

    Raises NotAnImage, ImageKindNotSupported, or ImageHidesAnotherFile for an image that is also a
    PDF document, a ZIP archive, a web page or a script.
    """
    start = content[:_INSPECTED_BYTES]
    for kind, signature in _SUPPORTED:
        if signature.match(start):
            if kind in _OPTIONAL_DECODERS and find_spec(_OPTIONAL_DECODERS[kind]) is None:
                raise _unsupported(f"a {kind} image")
            _refuse_polyglot(content, kind)
            return kind
    raise _refusal(content, start)


def _refusal(content: bytes, start: bytes) -> NotAnImage | ImageKindNotSupported:
    if not content:
        return NotAnImage("The file is empty. Send an image of at least 80 x 80 pixels.")
    for description, signature in _UNSUPPORTED:
        if signature.match(start):
            return _unsupported(description)
    text = start.lstrip(_BYTE_ORDER_MARK_AND_SPACE).lower()
    if text.startswith(b"<"):
        if any(tag in text for tag in _HTML_TAGS):
            return NotAnImage(
                "The file is a web page. Send the URL of the image itself, not of the page that "
                "shows it."
            )
        if b"<svg" in text:
            return _unsupported("an SVG drawing")
    return NotAnImage(
        f"The file, {len(content)} bytes, does not begin like any known kind of image. Send a "
        f"{_SUPPORTED_KINDS} image."
    )


def _unsupported(description: str) -> ImageKindNotSupported:
    return ImageKindNotSupported(f"The file is {description}. Send a {_SUPPORTED_KINDS} image.")


def _refuse_polyglot(content: bytes, kind: str) -> None:
    # Browsers download stored images, so an image must not contain what another program would run.
    hidden = None
    if b"%PDF-" in content[:1024]:  # where PDF readers search for it
        hidden = "a PDF document"
    elif zipfile.is_zipfile(io.BytesIO(content)):
        hidden = "a ZIP archive"
    elif _MARKUP_OR_SCRIPT.search(content):
        hidden = "a web page or a script"
    if hidden:
        raise ImageHidesAnotherFile(
            f"The file is both a {kind} image and {hidden}. Save the image again in an image "
            "editor, and send that."
        )
