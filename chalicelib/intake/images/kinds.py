"""What a file is, told from its bytes alone: never from its name or from what its sender says."""

import io
import re
import zipfile
from importlib.util import find_spec

from chalicelib.model.errors import ImageHidesAnotherFile, ImageKindNotSupported, NotAnImage

# The kinds that are taken, and the first bytes of each.
_TAKEN = (
    ("JPEG", re.compile(rb"\xff\xd8\xff")),
    ("PNG", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("GIF", re.compile(rb"GIF8[79]a")),
    ("WEBP", re.compile(rb"RIFF....WEBP", re.DOTALL)),
    ("AVIF", re.compile(rb"....ftypavi[fs]", re.DOTALL)),
    # mif1 leaves the codec open; the brands that follow tell it.
    ("AVIF", re.compile(rb"....ftypmif1....(?:....){0,16}?avi[fs]", re.DOTALL)),
    ("HEIC", re.compile(rb"....ftyp(?:hei[cxms]|hev[cxms]|mif1|msf1)", re.DOTALL)),
    ("TIFF", re.compile(rb"II\*\0|MM\0\*")),
    ("BMP", re.compile(rb"BM.{8}", re.DOTALL)),
)

# Taken only where a package is there that is not among our requirements: docs/decisions/0023.
_PACKAGES = {"HEIC": "pillow_heif"}

_KNOWN_BUT_NOT_TAKEN = (
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
_TAGS_OF_A_WEB_PAGE = (b"<!doctype html", b"<html", b"<head", b"<body")

# Long enough not to occur in compressed pixels by chance.
_MARKUP_OR_SCRIPT = re.compile(rb"<!doctype html|<html>|<html |<script|<\?php\s", re.IGNORECASE)

_LOOKED_AT_BYTES = 4096
_KINDS_TO_SEND = "JPEG, PNG, WebP, AVIF, GIF, TIFF or BMP"


def kind_of(content: bytes) -> str:
    """JPEG, PNG, GIF, WEBP, AVIF, TIFF or BMP; HEIC where pillow-heif is installed.

    Raises NotAnImage, ImageKindNotSupported or, for a file that is also of another kind,
    ImageHidesAnotherFile.
    """
    start = content[:_LOOKED_AT_BYTES]
    for kind, signature in _TAKEN:
        if signature.match(start):
            if kind in _PACKAGES and find_spec(_PACKAGES[kind]) is None:
                raise _not_taken(f"a {kind} image")
            _check_for_another_file(content, kind)
            return kind
    raise _refusal(content, start)


def _refusal(content: bytes, start: bytes) -> NotAnImage | ImageKindNotSupported:
    if not content:
        return NotAnImage("The file is empty. Send an image of at least 80 x 80 pixels.")
    for description, signature in _KNOWN_BUT_NOT_TAKEN:
        if signature.match(start):
            return _not_taken(description)
    text = start.lstrip(_BYTE_ORDER_MARK_AND_SPACE).lower()
    if text.startswith(b"<"):
        if any(tag in text for tag in _TAGS_OF_A_WEB_PAGE):
            return NotAnImage(
                "The file is a web page. Send the address of the image itself, not of the page "
                "that shows it."
            )
        if b"<svg" in text:
            return _not_taken("an SVG drawing")
    return NotAnImage(
        f"The file, {len(content)} bytes, does not begin like any kind of image. Send a "
        f"{_KINDS_TO_SEND} image."
    )


def _not_taken(description: str) -> ImageKindNotSupported:
    return ImageKindNotSupported(f"The file is {description}. Send a {_KINDS_TO_SEND} image.")


def _check_for_another_file(content: bytes, kind: str) -> None:
    # Images go back out to browsers; what another program would run must not travel in one.
    hidden = None
    if b"%PDF-" in content[:1024]:  # where PDF readers look for it
        hidden = "a PDF document"
    elif zipfile.is_zipfile(io.BytesIO(content)):
        hidden = "a ZIP archive"
    elif _MARKUP_OR_SCRIPT.search(content):
        hidden = "a web page or a script"
    if hidden:
        raise ImageHidesAnotherFile(
            f"The file is a {kind} image and {hidden} at once. Save the image again with an image "
            "editor, and send that."
        )
