"""Of a JPEG or PNG whose pixels are kept, nothing is stored but what decoding and color need."""

import io
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from chalicelib.intake.images.prepare import prepare
from chalicelib.model.identity import image_id_of_content
from tests.unit.intake.images.test_prepare import CAT, chunk, encoded, pixels, with_location

SECRET = b"48,12.5N 11,30E at home"
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def png(*chunks: bytes, at: str = "before the pixels", **options: Any) -> bytes:
    """The cat as PNG with chunks before the pixels, after them or after the end."""
    content = encoded(CAT, "PNG", **options)
    place = {
        "before the pixels": content.index(b"IDAT") - 4,
        "after the pixels": len(content) - 12,
        "after the end": len(content),
    }[at]
    return content[:place] + b"".join(chunks) + content[place:]


def jpeg(*segments: tuple[int, bytes], at: str = "before the pixels", **options: Any) -> bytes:
    """The cat as JPEG with segments before the pixels, between the scans, or after the last."""
    content = encoded(CAT, "JPEG", quality=92, **options)
    place = {
        "before the pixels": 2,
        "between the scans": content.rindex(b"\xff\xda"),
        "after the scan": len(content) - 2,
        "after the end": len(content),
    }[at]
    written = b"".join(
        bytes((0xFF, marker)) + (len(data) + 2).to_bytes(2) + data for marker, data in segments
    )
    return content[:place] + written + content[place:]


def raw_profile(name: str, data: bytes) -> bytes:
    """A zTXt chunk with a profile in hex, as ImageMagick writes it."""
    text = f"\n{name}\n{len(data):8}\n{data.hex()}\n".encode()
    return chunk(b"zTXt", f"Raw profile type {name}".encode() + b"\0\0" + zlib.compress(text))


def text(keyword: str, value: str = SECRET.decode(), **options: Any) -> PngInfo:
    info = PngInfo()
    info.add_itxt(keyword, value, **options)
    return info


EXIF = b"Exif\0\0" + with_location().tobytes()[6:]
XMP = b"http://ns.adobe.com/xap/1.0/\0"

FILES: dict[str, Callable[[], bytes]] = {
    "PNG tEXt exif:GPSLatitude": lambda: png(chunk(b"tEXt", b"exif:GPSLatitude\0" + SECRET)),
    "PNG tEXt Location": lambda: png(chunk(b"tEXt", b"Location\0" + SECRET)),
    "PNG tEXt City": lambda: png(chunk(b"tEXt", b"City\0" + SECRET)),
    "PNG tEXt of any name": lambda: png(chunk(b"tEXt", b"Where\0" + SECRET)),
    "PNG tEXt after the pixels": lambda: png(
        chunk(b"tEXt", b"Comment\0" + SECRET), at="after the pixels"
    ),
    "PNG zTXt": lambda: png(chunk(b"zTXt", b"Comment\0\0" + zlib.compress(SECRET))),
    "PNG zTXt raw profile APP1": lambda: png(raw_profile("APP1", EXIF + SECRET)),
    "PNG zTXt raw profile xmp": lambda: png(raw_profile("xmp", SECRET)),
    "PNG zTXt raw profile iptc": lambda: png(raw_profile("iptc", SECRET)),
    "PNG zTXt raw profile exif": lambda: png(raw_profile("exif", EXIF + SECRET)),
    "PNG iTXt": lambda: png(pnginfo=text("Comment")),
    "PNG iTXt, compressed XMP": lambda: png(pnginfo=text("XML:com.adobe.xmp", zip=True)),
    "PNG eXIf": lambda: png(chunk(b"eXIf", EXIF[6:] + SECRET)),
    "PNG unknown chunk": lambda: png(chunk(b"whEr", SECRET)),
    "PNG unknown chunk of a valid name": lambda: png(chunk(b"caBX", SECRET)),
    "PNG chunk of color with more than color": lambda: png(
        chunk(b"gAMA", (45455).to_bytes(4) + SECRET)
    ),
    "PNG profile's name": lambda: png(
        chunk(b"iCCP", b"48,12.5N 11,30E at home\0\0" + zlib.compress(PROFILE))
    ),
    "PNG after the profile": lambda: png(
        chunk(b"iCCP", b"icc\0\0" + zlib.compress(PROFILE + SECRET) + SECRET)
    ),
    "PNG second frame": lambda: encoded(
        CAT, "PNG", save_all=True, append_images=[CAT.rotate(180)]
    ),
    "PNG after the end": lambda: png(SECRET, at="after the end"),
    "PNG chunk after the end": lambda: png(chunk(b"tEXt", b"City\0" + SECRET), at="after the end"),
    "JPEG comment": lambda: jpeg((0xFE, SECRET)),
    "JPEG EXIF": lambda: jpeg((0xE1, EXIF + SECRET)),
    "JPEG EXIF of nothing but text": lambda: jpeg((0xE1, b"Exif\0\0" + SECRET)),
    "JPEG EXIF after the scan": lambda: jpeg((0xE1, EXIF + SECRET), at="after the scan"),
    "JPEG EXIF between scans": lambda: jpeg(
        (0xE1, EXIF + SECRET), at="between the scans", progressive=True
    ),
    "JPEG comment after the scan": lambda: jpeg((0xFE, SECRET), at="after the scan"),
    "JPEG XMP": lambda: jpeg((0xE1, XMP + b'<x exif:GPSLatitude="' + SECRET + b'"/>')),
    "JPEG XMP in UTF-16": lambda: jpeg((0xE1, XMP + SECRET.decode().encode("utf-16"))),
    "JPEG XMP of a maker": lambda: jpeg(
        (0xE1, XMP + b'<x drone-dji:GpsLatitude="' + SECRET + b'"/>')
    ),
    "JPEG extended XMP": lambda: jpeg(
        (0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(40) + SECRET)
    ),
    "JPEG IPTC": lambda: jpeg((0xED, b"Photoshop 3.0\x008BIM\x04\x04" + SECRET)),
    "JPEG maker's segments": lambda: jpeg(*((marker, SECRET) for marker in range(0xE3, 0xF0))),
    "JPEG profile's tail": lambda: jpeg((0xE2, b"ICC_PROFILE\0\1\1" + PROFILE + SECRET)),
    "JPEG APP2 of another name": lambda: jpeg((0xE2, b"FPXR\0" + SECRET)),
    "JPEG Adobe with more than Adobe": lambda: jpeg(
        (0xEE, b"Adobe\0\x64\0\0\0\0\1" + SECRET)
    ),
    "JPEG JFIF thumbnail": lambda: (
        b"\xff\xd8\xff\xe0\0\x40JFIF\0\1\1\0\0\1\0\1\4\4" + SECRET.ljust(48, b"x") + jpeg()[20:]
    ),
    "JPEG bytes between segments": lambda: jpeg()[:20] + SECRET + jpeg()[20:],
    "JPEG multi-picture": lambda: encoded(
        CAT, "MPO", save_all=True, append_images=[CAT], exif=with_location().tobytes()
    ),
    "JPEG after the end": lambda: jpeg((0xE1, EXIF + SECRET), at="after the end"),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_nothing_else_is_stored_and_the_pixels_are_identical(name: str) -> None:
    content = FILES[name]()

    prepared = prepare(content)

    assert pixels(prepared.content) == pixels(content)
    stored = Image.open(io.BytesIO(prepared.content))
    assert not stored.getexif()
    assert not stored.info.keys() & {"exif", "xmp", "comment", "photoshop", "mp", "Comment"}
    for hidden in (SECRET, SECRET.decode().encode("utf-16"), EXIF[6:], SECRET.hex().encode()):
        assert hidden not in prepared.content
        assert hidden not in _inflated_chunks(prepared.content)
    if not any(word in name for word in ("profile", "Adobe", "scans", "picture", "frame")):
        assert prepared.content == (jpeg() if name.startswith("JPEG") else png())


def _inflated_chunks(content: bytes) -> bytes:
    """What a PNG's iCCP chunk holds compressed; pixels hold the secret in none of the files."""
    place = content.find(b"iCCP")
    start = content.find(b"\0\0", place) + 2
    return b"" if place < 0 else zlib.decompressobj().decompress(content[start:])


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_the_color_profile_is_kept(kind: str) -> None:
    prepared = prepare(encoded(CAT, kind, icc_profile=PROFILE))

    assert Image.open(io.BytesIO(prepared.content)).info["icc_profile"] == PROFILE


def test_a_color_profile_in_pieces_is_kept() -> None:
    profile = (200_000).to_bytes(4) + PROFILE[4:].ljust(200_000 - 4, b"\0")

    prepared = prepare(encoded(CAT, "JPEG", icc_profile=profile))

    assert Image.open(io.BytesIO(prepared.content)).info["icc_profile"] == profile


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_what_only_looks_like_a_color_profile_is_not_stored(kind: str) -> None:
    prepared = prepare(encoded(CAT, kind, icc_profile=SECRET * 20))

    assert pixels(prepared.content) == pixels(encoded(CAT, kind))
    assert "icc_profile" not in Image.open(io.BytesIO(prepared.content)).info


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_every_way_to_code_a_jpeg_keeps_its_pixels(mode: str, progressive: bool) -> None:
    content = encoded(
        CAT.convert(mode), "JPEG", progressive=progressive, restart_marker_rows=1, comment=SECRET
    )

    prepared = prepare(content)

    assert pixels(prepared.content) == pixels(content)
    assert SECRET not in prepared.content


def test_segments_that_no_standard_defines_are_cut_out() -> None:
    assert prepare(jpeg((0xF0, SECRET), (0x02, SECRET))).content == jpeg()


def test_adobes_colors_are_kept() -> None:
    """Adobe's segment says that the channels are RGB, not YCbCr."""
    content = encoded(CAT, "JPEG", quality=95, keep_rgb=True)

    prepared = prepare(content)

    assert pixels(prepared.content) == pixels(content)
    assert b"Adobe" in prepared.content or content[2:4] != b"\xff\xee"


def test_an_orientation_in_xmp_or_a_raw_profile_is_respected() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    in_xmp = XMP + b'<rdf:Description tiff:Orientation="6"/>'

    for content in (
        jpeg((0xE1, in_xmp)),
        png(raw_profile("exif", exif.tobytes())),
        png(pnginfo=text("XML:com.adobe.xmp", '<x tiff:Orientation="6"/>', zip=True)),
    ):
        prepared = prepare(content)
        assert (prepared.width, prepared.height) == (CAT.height, CAT.width)


def test_the_id_is_that_of_the_bytes_that_arrived() -> None:
    content = jpeg((0xFE, SECRET))

    prepared = prepare(content)

    assert prepared.original_sha256.startswith(image_id_of_content(content))
    assert prepared.original_bytes == len(content) > len(prepared.content)
