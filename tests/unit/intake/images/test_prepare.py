"""Bytes of every kind become an image that Rekognition accepts, or are refused."""

import hashlib
import io
import struct
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pillow_heif.HeifImagePlugin  # noqa: F401 - makes Pillow write HEIC
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageCms, ImageDraw, ImageOps, ImageStat

from chalicelib.intake.images import kinds, passthrough
from chalicelib.intake.images import prepare as preparing
from chalicelib.intake.images.prepare import prepare
from chalicelib.intake.images.prepared_image import PreparedImage
from chalicelib.model.errors import (
    ImageContentError,
    ImageDamaged,
    ImageHidesAnotherFile,
    ImageKindNotSupported,
    ImageTooComplex,
    ImageTooLarge,
    ImageTooSmall,
    NotAnImage,
)

PHOTOGRAPHS = Path(__file__).parents[4] / "localcloud" / "photographs"
CAT = Image.open(PHOTOGRAPHS / "chelsea-cat.png").convert("RGB")
CAT.info.clear()  # a color profile, which is written anew
CORNERS = {"red": (0, 0), "green": (1, 0), "blue": (0, 1), "white": (1, 1)}

ORIENTATION, GPS = 0x0112, 0x8825
STORED_AS = {  # EXIF's orientation: how the stored pixels differ from the upright image
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def with_marked_corners() -> Image.Image:
    """240 x 120 pixels with a color per quadrant, so that every orientation looks different."""
    image = Image.new("RGB", (240, 120))
    for color, (x, y) in CORNERS.items():
        image.paste(color, (x * 120, y * 60, x * 120 + 120, y * 60 + 60))
    return image


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    output = io.BytesIO()
    image.save(output, kind, **options)
    return output.getvalue()


def checked(prepared: PreparedImage) -> Image.Image:
    """The stored image, decoded, after checking it against its description and the limits."""
    image = Image.open(io.BytesIO(prepared.content))
    assert image.size == (prepared.width, prepared.height)
    assert f"image/{str(image.format).lower()}" == prepared.content_type
    assert image.format in {"JPEG", "PNG"}
    assert image.mode in {"RGB", "L"}
    assert 80 <= min(image.size) <= max(image.size) <= 10_000
    assert len(prepared.content) <= 15_000_000
    return image


def pixels(content: bytes) -> tuple[str, bytes]:
    image = Image.open(io.BytesIO(content))
    return image.mode, image.tobytes()


def difference(one: Image.Image, other: Image.Image) -> float:
    """The largest mean difference of a channel, 0 to 255."""
    assert one.size == other.size
    return max(ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean)


def darkest(image: Image.Image) -> float:
    return min(low for low, _ in ImageStat.Stat(image.convert("RGB")).extrema)


def with_location(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif.get_ifd(GPS).update({1: "N", 2: (48.0, 12.0, 30.0), 3: "E", 4: (11.0, 30.0, 0.0)})
    return exif


A_JPEG, A_PNG, A_GIF = encoded(CAT, "JPEG"), encoded(CAT, "PNG"), encoded(CAT, "GIF")

# A writer for every supported kind and variant, and the difference from CAT that it may have.
KINDS: dict[str, tuple[Callable[[Image.Image], bytes], float]] = {
    "JPEG": (lambda image: encoded(image, "JPEG", quality=95), 3),
    "JPEG progressive": (lambda image: encoded(image, "JPEG", quality=95, progressive=True), 3),
    "JPEG grey": (lambda image: encoded(image.convert("L"), "JPEG", quality=95), 60),
    "JPEG CMYK": (lambda image: encoded(image.convert("CMYK"), "JPEG", quality=95), 6),
    "PNG": (lambda image: encoded(image, "PNG"), 0),
    "PNG interlaced palette": (lambda image: encoded(image.quantize(256), "PNG"), 8),
    "PNG 1 bit": (lambda image: encoded(image.convert("1"), "PNG"), 128),
    "PNG with alpha": (lambda image: encoded(image.convert("RGBA"), "PNG"), 3),
    "PNG 16 bits grey": (
        lambda image: encoded(image.convert("L").convert("I").point(_times_257).convert("I;16"),
                              "PNG"), 60),
    "GIF": (lambda image: encoded(image, "GIF"), 30),
    "WebP": (lambda image: encoded(image, "WEBP", quality=95), 4),
    "WebP lossless": (lambda image: encoded(image, "WEBP", lossless=True), 3),
    "AVIF": (lambda image: encoded(image, "AVIF", quality=95), 4),
    "HEIC": (lambda image: encoded(image, "HEIF", quality=95), 4),
    "TIFF": (lambda image: encoded(image, "TIFF"), 3),
    "TIFF LZW": (lambda image: encoded(image, "TIFF", compression="tiff_lzw"), 3),
    "TIFF JPEG": (lambda image: encoded(image, "TIFF", compression="jpeg"), 6),
    "TIFF CMYK": (lambda image: encoded(image.convert("CMYK"), "TIFF"), 6),
    "TIFF real numbers": (lambda image: encoded(image.convert("F"), "TIFF"), 75),
    "BMP": (lambda image: encoded(image, "BMP"), 3),
    "BMP palette": (lambda image: encoded(image.quantize(256), "BMP"), 8),
}  # fmt: skip


def _times_257(value: Any) -> Any:
    return value * 257


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_becomes_the_same_image(kind: str) -> None:
    write, tolerance = KINDS[kind]
    content = write(CAT)

    prepared = prepare(content)

    assert difference(checked(prepared), CAT) <= tolerance
    assert prepared.original_kind == kind.split()[0].upper()
    assert prepared.original_bytes == len(content)
    assert prepared.original_sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    "name", ["chelsea-cat.png", "cameraman-grey.png", "rocket.jpg", "pagoda.jpg", "dahlia.jpg"]
)
def test_what_rekognition_accepts_keeps_its_pixels(name: str) -> None:
    content = (PHOTOGRAPHS / name).read_bytes()

    prepared = prepare(content)

    assert pixels(prepared.content) == pixels(content)
    assert len(prepared.content) <= len(content)
    checked(prepared)
    assert prepare(prepared.content).content == prepared.content


@pytest.mark.parametrize("content", [A_JPEG, A_PNG])
def test_a_file_of_nothing_but_pixels_is_stored_byte_for_byte(content: bytes) -> None:
    assert prepare(content).content == content


@pytest.mark.parametrize("orientation", STORED_AS)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_an_image_with_any_orientation_is_stored_upright(kind: str, orientation: int) -> None:
    upright, transpose = with_marked_corners(), STORED_AS[orientation]
    turned = upright if transpose is None else upright.transpose(transpose)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    options = {"lossless": True} if kind == "WEBP" else {"quality": 95}

    stored = checked(prepare(encoded(turned, kind, exif=exif.tobytes(), **options)))

    assert difference(stored, upright) < 5
    assert stored.getexif().get(ORIENTATION, 1) == 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_a_location_in_exif_is_not_stored(kind: str) -> None:
    content = encoded(CAT, kind, exif=with_location().tobytes())

    stored = checked(prepare(content))

    assert not stored.getexif().get_ifd(GPS)
    assert not stored.getexif()


@pytest.mark.parametrize(
    "xmp",
    [
        b'<x:xmpmeta exif:GPSLatitude="48,12.5N"/>',
        b'<x:xmpmeta photoshop:City="Munich"/>',
        b"<x:xmpmeta><Iptc4xmpCore:Location>At home</Iptc4xmpCore:Location></x:xmpmeta>",
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_a_location_in_xmp_is_not_stored(kind: str, xmp: bytes) -> None:
    stored = prepare(encoded(CAT, kind, xmp=xmp))

    assert xmp not in stored.content
    assert not checked(stored).info.get("xmp")


def test_a_location_in_a_png_text_chunk_is_not_stored() -> None:
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", '<x:xmpmeta exif:GPSLatitude="48,12.5N"/>', zip=True)

    assert prepare(encoded(CAT, "PNG", pnginfo=text)).content_type == "image/jpeg" or not checked(
        prepare(encoded(CAT, "PNG", pnginfo=text))
    ).info.get("XML:com.adobe.xmp")


def test_a_location_in_iptc_is_not_stored() -> None:
    city = b"\x1c\x02\x5a\x00\x06Munich"
    resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(city)) + city + b"\0"
    segment = b"Photoshop 3.0\0" + resource
    jpeg = encoded(CAT, "JPEG")
    jpeg = jpeg[:2] + b"\xff\xed" + struct.pack(">H", len(segment) + 2) + segment + jpeg[2:]

    assert b"Munich" not in prepare(jpeg).content


def test_unreadable_metadata_is_not_stored() -> None:
    content = encoded(CAT, "JPEG", exif=b"Exif\0\0MM\0*\0\0\xff\xff and nothing there")

    prepared = prepare(content)

    assert b"nothing there" not in prepared.content
    assert difference(checked(prepared), CAT) < 5


def test_exif_with_too_many_values_is_not_parsed() -> None:
    values = 2_000_000
    exif = (
        b"II*\0\x08\0\0\0\x01\0"
        + struct.pack("<HHII", ORIENTATION, 5, values, 26)
        + bytes(8 * values + 4)
    )
    started = time.process_time()

    prepared = prepare(A_PNG[:33] + chunk(b"eXIf", exif) + A_PNG[33:])

    assert time.process_time() - started < 1  # second; parsing it takes 5
    assert prepared.content == A_PNG


def test_the_color_profile_survives_re_encoding() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

    stored = checked(prepare(encoded(CAT, "WEBP", icc_profile=profile)))

    assert stored.info["icc_profile"] == profile


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF", "TIFF", "HEIF"])
def test_an_animation_becomes_its_first_frame(kind: str) -> None:
    frames = [CAT.rotate(180), CAT.rotate(90)]
    content = encoded(CAT, kind, save_all=True, append_images=frames)

    prepared = prepare(content)

    assert difference(checked(prepared), CAT) < 30
    assert getattr(Image.open(io.BytesIO(prepared.content)), "n_frames", 1) == 1


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "AVIF", "TIFF", "HEIF"])
def test_transparent_pixels_become_white(kind: str) -> None:
    image = Image.new("RGBA", (200, 200), (0, 0, 0, 0))
    ImageDraw.Draw(image).rectangle((50, 50, 150, 150), fill=(200, 30, 30, 255))

    stored = checked(prepare(encoded(image, kind))).convert("RGB")

    assert darkest(stored.crop((0, 0, 40, 40))) > 245
    assert (
        difference(stored.crop((60, 60, 140, 140)), Image.new("RGB", (80, 80), (200, 30, 30))) < 8
    )


def test_half_transparent_pixels_are_blended_with_white() -> None:
    content = encoded(Image.new("LA", (100, 100), (0, 128)), "PNG")

    assert checked(prepare(content)).convert("L").getpixel((50, 50)) == pytest.approx(127, abs=3)


def test_the_transparent_color_of_an_rgb_png_becomes_white() -> None:
    content = encoded(Image.new("RGB", (100, 100), (1, 2, 3)), "PNG", transparency=(1, 2, 3))

    assert darkest(checked(prepare(content))) > 250


def test_a_drawing_stays_lossless_if_png_is_smaller() -> None:
    drawing = with_marked_corners()

    prepared = prepare(encoded(drawing, "GIF"))

    assert prepared.content_type == "image/png"
    assert difference(checked(prepared), drawing) == 0


def test_a_photograph_becomes_jpeg_if_jpeg_is_smaller() -> None:
    assert prepare(encoded(CAT, "BMP")).content_type == "image/jpeg"


@pytest.mark.parametrize(
    ("size", "expected"),
    [((10_000, 80), (10_000, 80)), ((12_000, 400), (10_000, 333)), ((100, 12_400), (81, 10_000))],
)
def test_an_image_over_10_000_pixels_per_side_is_scaled_down(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    prepared = prepare(encoded(Image.linear_gradient("L").resize(size), "PNG"))

    assert (prepared.width, prepared.height) == pytest.approx(expected, abs=1)
    checked(prepared)


def test_a_file_over_rekognitions_byte_limit_is_re_encoded_smaller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    large = CAT.resize((1804, 1200))
    for module in (preparing, passthrough):
        monkeypatch.setattr(module, "MAX_STORED_BYTES", 40_000)

    prepared = prepare(encoded(large, "JPEG", quality=95))

    assert len(prepared.content) <= 40_000
    assert prepared.width < 1804
    assert difference(checked(prepared), large.resize((prepared.width, prepared.height))) < 10


def test_a_second_image_in_the_file_is_not_stored() -> None:
    first, second = encoded(CAT, "JPEG"), encoded(CAT, "JPEG", exif=with_location())

    for content in (encoded(CAT, "MPO", save_all=True, append_images=[CAT]), first + second):
        prepared = prepare(content)
        assert prepared.content.count(b"\xff\xd8\xff") == 1
        assert prepared.original_kind == "JPEG"
        assert pixels(prepared.content) == pixels(content)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_bytes_after_the_end_of_the_image_are_not_stored(kind: str) -> None:
    content = encoded(CAT, kind) + b"\0\0\0\x18ftypmp42 a video of where I live"

    assert b"where I live" not in prepare(content).content


def archive() -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as zipped:
        zipped.writestr("Main.class", b"not an image")
    return output.getvalue()


@pytest.mark.parametrize(
    ("content", "hidden"),
    [
        (encoded(CAT, "GIF") + archive(), "a ZIP archive"),
        (encoded(CAT, "PNG") + archive(), "a ZIP archive"),
        (encoded(CAT, "JPEG", comment=b"%PDF-1.7"), "a PDF document"),
        (encoded(CAT, "JPEG", comment=b"<script>alert(1)</script>"), "a web page or a script"),
        (encoded(CAT, "JPEG", comment=b"<?php system($_GET['c']);"), "a web page or a script"),
        (encoded(CAT, "PNG") + b"<!DOCTYPE html><body>", "a web page or a script"),
        (b"GIF89a" + b"=1;/*" + b"<script>alert(1)</script>", "a web page or a script"),
    ],
)
def test_an_image_that_is_also_another_kind_of_file_is_refused(content: bytes, hidden: str) -> None:
    with pytest.raises(ImageHidesAnotherFile, match=hidden):
        prepare(content)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"<!-- a -->" * 300 + b"<svg>", "SVG"),
        (b"\xef\xbb\xbf <?xml version='1.0'?><!-- a --><!DOCTYPE svg PUBLIC 'x'>\n<svg/>", "SVG"),
        (b"%PDF-1.7\n%\xe2\xe3", "PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "PostScript"),
        (b"\xff\x0a\x00", "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"8BPS\0\1", "Photoshop"),
        (b"II+\0\x08\0\0\0", "BigTIFF"),
        (b"\0\0\1\0\1\0", "icon"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "video"),
        (b"\x1a\x45\xdf\xa3", "video"),
    ],
)
def test_an_unsupported_kind_is_refused_by_name(content: bytes, kind: str) -> None:
    with pytest.raises(ImageKindNotSupported, match=kind):
        prepare(content)


@pytest.mark.parametrize(
    "content",
    [
        b"\0\0\0\x18ftyphevc\0\0\0\0",
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic",
        KINDS["HEIC"][0](CAT),
    ],
)
def test_heic_is_refused_by_name_without_its_decoder(
    content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinds, "find_spec", lambda _package: None)
    with pytest.raises(ImageKindNotSupported, match="HEIC"):
        prepare(content)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "empty"),
        (b"\n<!-- x --><!DOCTYPE html><html>", "web page"),
        (b"<HTML><body>Sign in", "web page"),
        (b'{"error": "not found"}', "22 bytes"),
        (b"\0" * 1000, "1000 bytes"),
        (b"BM", "2 bytes"),
        (b"PK\x03\x04", "4 bytes"),
        (b"MZ\x90\0", "4 bytes"),
    ],
)
def test_bytes_that_are_not_an_image_are_refused(content: bytes, named: str) -> None:
    with pytest.raises(NotAnImage, match=named):
        prepare(content)


@pytest.mark.parametrize("size", [(79, 80), (80, 79), (1, 1), (5000, 79), (1, 10_000)])
def test_an_image_under_rekognitions_minimum_side_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ImageTooSmall, match=f"{size[0]} x {size[1]}.*80"):
        prepare(encoded(Image.new("L", size), "PNG"))


def test_an_image_that_is_too_small_after_scaling_is_refused() -> None:
    with pytest.raises(ImageTooSmall, match="20000 x 100"):
        prepare(encoded(Image.new("L", (20_000, 100)), "PNG"))


def test_an_image_of_80_x_80_pixels_is_accepted() -> None:
    assert prepare(encoded(Image.new("RGB", (80, 80)), "PNG")).width == 80


def chunk(name: bytes, data: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(name + data))
    return struct.pack(">I", len(data)) + name + data + checksum


def png_that_claims(width: int, height: int, body: bytes = b"", bits: int = 8) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(body))
            + chunk(b"IEND", b""))  # fmt: skip


def jpeg_that_claims(width: int, height: int) -> bytes:
    jpeg = encoded(CAT, "JPEG")
    place = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:place] + struct.pack(">HH", height, width) + jpeg[place + 4 :]


@pytest.mark.parametrize(
    "content",
    [
        png_that_claims(10_001, 10_000),
        png_that_claims(30_000, 30_000),
        png_that_claims(2**31 - 1, 2**31 - 1),
        png_that_claims(2**31 - 1, 1),
        png_that_claims(50_000, 50_000, bytes(10_000_000)),
        jpeg_that_claims(65_500, 65_500),
        b"BM" + struct.pack("<IHHIIIIHH", 100, 0, 0, 54, 40, 60_000, 60_000, 1, 24) + bytes(60),
        encoded(Image.new("L", (8_600, 8_600)), "WEBP", method=0),
    ],
)
def test_an_image_with_too_many_pixels_is_refused_from_its_header(content: bytes) -> None:
    with pytest.raises(ImageTooLarge, match=r"pixels"):
        prepare(content)


@pytest.mark.parametrize("kind", [name for name in KINDS if name != "TIFF"])
@pytest.mark.parametrize("fraction", [0.02, 0.5, 0.9])
def test_a_truncated_file_is_refused(kind: str, fraction: float) -> None:
    content = KINDS[kind][0](CAT)

    with pytest.raises((ImageDamaged, NotAnImage)):
        prepare(content[: int(len(content) * fraction)])


def test_compressed_texts_of_a_png_are_not_decompressed() -> None:
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    for number in range(80):
        text.add_text(f"text {number}", "x" * 1_000_000, zip=True)

    assert prepare(encoded(CAT, "PNG", pnginfo=text)).content == A_PNG


def test_a_png_with_16_bits_per_channel_is_stored_with_8() -> None:
    row = b"\0" + struct.pack(">HHH", 0xC8FF, 0x1EFF, 0x40FF) * 100

    prepared = prepare(png_that_claims(100, 100, row * 100, bits=16))

    assert difference(checked(prepared), Image.new("RGB", (100, 100), (0xC8, 0x1E, 0x40))) < 2
    assert prepared.content_type == "image/jpeg" or prepared.content[24] == 8


GIF_START = 13 + 3 * 256


def tiff_with_strips(count: int) -> bytes:
    tags = [(256, 4, 1, 100), (257, 4, 1, 100), (258, 3, 1, 8), (262, 3, 1, 1),
            (273, 4, count, 200), (278, 4, 1, 1), (279, 4, count, 200)]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return (b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries).ljust(200) + bytes(
        8 * count
    )


@pytest.mark.parametrize(
    "content",
    [
        A_JPEG[:2] + b"\xff\xfe\0\x02" * 5_000_000 + A_JPEG[2:],
        A_JPEG[:2] + b"\xff\xe1\0\x02" * 5_000_000 + A_JPEG[2:],
        A_JPEG[:-2] + b"\xff\xda\0\x0c\x03\x01\0\x02\x11\x03\x11\0\x3f\0" * 65 + A_JPEG[-2:],
        A_PNG[:33] + chunk(b"tEXt", b"a\0b") * 1_000_000 + A_PNG[33:],
        A_PNG[:33] + chunk(b"abCd", b"") * 1_000_000 + A_PNG[33:],
        A_GIF[:GIF_START] + b"\x21\xfe\x01x\0" * 4_000_000 + A_GIF[GIF_START:],
        A_GIF[:GIF_START] + b"\x21\xfe" + b"\x01x" * 9_000_000 + b"\0" + A_GIF[GIF_START:],
        A_GIF[:GIF_START] + b"\x01" * 20_000_000 + A_GIF[GIF_START:],
        tiff_with_strips(2_000_000),
    ],
    ids=["JPEG comments", "JPEG segments", "JPEG scans", "PNG texts", "PNG chunks",
         "GIF comments", "GIF comment in pieces", "GIF filler", "TIFF strips"],
)  # fmt: skip
def test_a_file_with_too_many_parts_is_refused_quickly(content: bytes) -> None:
    started = time.process_time()

    with pytest.raises(ImageTooComplex, match=r"20,000 parts|64 scans"):
        prepare(content)

    assert time.process_time() - started < 1  # second; decoding it takes 5 to several 1,000


def test_a_truncated_gif_header_is_refused() -> None:
    for length in range(6, GIF_START + 40):
        with pytest.raises((ImageDamaged, ImageTooSmall, NotAnImage)):
            prepare(A_GIF[:length])


SMALL = ImageOps.fit(CAT, (96, 96))
SEEDS = [write(SMALL) for write, _ in KINDS.values()] + [
    encoded(SMALL, "JPEG", exif=with_location(6)),
    encoded(SMALL, "GIF", save_all=True, append_images=[SMALL.rotate(90)]),
    encoded(SMALL, "WEBP", save_all=True, append_images=[SMALL.rotate(90)]),
]


@given(data=st.data())
@settings(max_examples=300, deadline=5_000)
def test_mutated_bytes_are_refused_or_become_a_valid_image(data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from(SEEDS)))
    offsets = st.integers(0, len(content) - 1)
    # Half of the changes go to the header, which decoders trust most.
    in_the_header = st.integers(0, min(200, len(content) - 1))
    changes = st.lists(st.tuples(offsets | in_the_header, st.integers(0, 255)), max_size=20)
    for offset, value in data.draw(changes):
        content[offset] = value
    end = data.draw(st.none() | offsets)
    _refused_or_prepared(bytes(content[:end]))


@given(content=st.binary(max_size=2_000))
@example(content=b"\xff\xd8\xff")
@example(content=b"\0\0\0\x1cftypavif")
@settings(max_examples=200)
def test_any_bytes_are_refused_or_become_a_valid_image(content: bytes) -> None:
    _refused_or_prepared(content)


def _refused_or_prepared(content: bytes) -> None:
    try:
        prepared = prepare(content)
    except ImageContentError:
        return
    checked(prepared)
