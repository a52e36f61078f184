"""Files that hang, bloat or crash a decoder, or did: small to send, dear to decode.

Each is made when it is needed. Only what no encoder of the tests can write is kept as a file: an
AVIF of 12 bits with transparency, written by imagecodecs.avif_encode(pixels, level=50, speed=10,
bitspersample=12, pixelformat="444") from 10,000 x 10,000 pixels of two colors.
"""

import io
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pillow_heif.HeifImagePlugin  # noqa: F401 - makes Pillow write HEIC
from PIL import Image

FILES = Path(__file__).parent / "hostile_files"
AVIF_OF_12_BITS = FILES / "100-megapixels-12-bits-alpha.avif"

SMALL = Image.linear_gradient("L").resize((120, 100)).convert("RGB")
ONE_COLOR = (10_000, 10_000)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The image as a file."""
    output = io.BytesIO()
    image.save(output, kind, **options)
    return output.getvalue()


def png_chunk(name: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def jpeg_segment(marker: int, data: bytes) -> bytes:
    """A segment of a JPEG file."""
    return bytes((0xFF, marker)) + struct.pack(">H", len(data) + 2) + data


def riff_chunk(name: bytes, data: bytes) -> bytes:
    """A chunk of a WebP file."""
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def box(name: bytes, data: bytes = b"") -> bytes:
    """A box of an AVIF or HEIC file."""
    return struct.pack(">I", len(data) + 8) + name + data


def noise(size: int) -> bytes:
    """Bytes that do not compress."""
    return random.Random(size).randbytes(size)  # noqa: S311 - no secret


def overlapping_exif(tags: int, value_bytes: int) -> bytes:
    """EXIF data whose tags all have the same large value; each is read by itself."""
    entries = b"".join(
        struct.pack("<HHII", 0x8000 + number % 0x7000, 7, value_bytes - 8, 8)
        for number in range(tags)
    )
    data = b"II*\0\x08\0\0\0" + struct.pack("<H", tags) + entries
    return data.ljust(value_bytes, b"\0")


def profile(size: int) -> bytes:
    """Bytes with the header of a color profile."""
    return struct.pack(">I", size) + bytes(32) + b"acsp" + noise(size - 40)


def jpeg_with_exif_segments() -> bytes:
    exif = overlapping_exif(20_000, 500_000)
    pieces = [exif[start : start + 65_000] for start in range(0, len(exif), 65_000)]
    jpeg = b"\xff\xd8" + encoded(SMALL, "JPEG")[20:]  # without JFIF, so that Pillow looks for EXIF
    return (
        jpeg[:2] + b"".join(jpeg_segment(0xE1, b"Exif\0\0" + piece) for piece in pieces) + jpeg[2:]
    )


def jpeg_with_short_exif_segments() -> bytes:
    jpeg = encoded(SMALL, "JPEG")
    return jpeg[:2] + jpeg_segment(0xE1, b"Exif\0\0" + bytes(17)) * 19_000 + jpeg[2:]


def jpeg_with_scans(side: int, scans: int) -> bytes:
    """A progressive JPEG in gray with more scans, each of which is empty."""
    jpeg = encoded(Image.new("L", (side, side), 7), "JPEG", progressive=True)
    again = b"\xff\xda\0\x08\x01\x01\0\x01\x3f\0"
    return jpeg[:-2] + again * (scans - jpeg.count(b"\xff\xda")) + jpeg[-2:]


def jpeg_with_restarts() -> bytes:
    jpeg = encoded(SMALL, "JPEG", restart_marker_blocks=1)
    return jpeg[:-2] + b"".join(b"\xff" + bytes((0xD0 + n % 8,)) for n in range(10_000_000))


def jpeg_that_claims(width: int, height: int) -> bytes:
    jpeg = encoded(SMALL, "JPEG")
    place = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:place] + struct.pack(">HH", height, width) + jpeg[place + 4 :]


def png(*chunks: bytes) -> bytes:
    """A small PNG with more chunks before its pixels."""
    content = encoded(SMALL, "PNG")
    return content[:33] + b"".join(chunks) + content[33:]


def compressed_zeros(size: int) -> bytes:
    return zlib.compress(bytes(size), 9)


def png_of(width: int, height: int, bits: int, color: int, pixels: bytes, interlaced: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, interlaced)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", pixels)
        + png_chunk(b"IEND", b"")
    )


def tiff(*entries: tuple[int, int, int, int], data: bytes = b"", following: int = 0) -> bytes:
    """A TIFF file: header, directory, data; an entry is tag, type, count and value or offset."""
    directory = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    start = b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + directory
    return start + struct.pack("<I", following) + data


def gray_tiff(*more: tuple[int, int, int, int], **options: Any) -> bytes:
    size = [(256, 4, 1, 100), (257, 4, 1, 100), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    strips = [(273, 4, 1, 8), (278, 4, 1, 100), (279, 4, 1, 10_000)]
    given = {entry[0] for entry in more}
    kept = [entry for entry in size + strips if entry[0] not in given]
    return tiff(*kept, *more, **({"data": bytes(20_000)} | options))


def tiff_with_tags(tags: int) -> bytes:
    more = [(40_000 + number, 7, 690_000, 8) for number in range(tags)]
    return gray_tiff(*more, data=bytes(700_000))


def tiff_with_a_huge_tile() -> bytes:
    pixels = compressed_zeros(1_000_000)
    return gray_tiff(
        (259, 3, 1, 8), (322, 4, 1, 60_000), (323, 4, 1, 60_000), (324, 4, 1, 150),
        (325, 4, 1, len(pixels)), (273, 4, 0, 0), (279, 4, 0, 0), data=pixels.rjust(20_000),
    )  # fmt: skip


def gif_with_frames() -> bytes:
    gif = encoded(SMALL, "GIF")
    frame = b"\x2c\0\0\0\0\1\0\1\0\0\2\2\x4c\1\0"
    return gif[:-1] + frame * 1_500_000 + b";"


def gif_with_a_huge_frame() -> bytes:
    gif = encoded(SMALL, "GIF")
    place = gif.index(b"\x2c", 13 + 3 * 256)
    return gif[: place + 5] + struct.pack("<HH", 65_535, 65_535) + gif[place + 9 :]


def webp(*chunks: bytes, flags: int = 0) -> bytes:
    """A small WebP in the extended format with more chunks."""
    image = encoded(SMALL, "WEBP", lossless=True)[12:]
    canvas = struct.pack("<I", SMALL.width - 1)[:3] + struct.pack("<I", SMALL.height - 1)[:3]
    body = riff_chunk(b"VP8X", bytes((flags, 0, 0, 0)) + canvas) + b"".join((*chunks, image))
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def webp_that_claims(width: int, height: int) -> bytes:
    content = bytearray(encoded(SMALL, "WEBP", lossless=True))
    content[21:25] = struct.pack("<I", width - 1 | (height - 1) << 14)
    return bytes(content)


def webp_with_frames() -> bytes:
    image = encoded(Image.new("RGB", (1, 1)), "WEBP", lossless=True)[12:]
    frame = riff_chunk(b"ANMF", bytes(15) + b"\0" + image)
    canvas = struct.pack("<I", 119)[:3] + struct.pack("<I", 99)[:3]
    body = riff_chunk(b"VP8X", b"\2\0\0\0" + canvas) + riff_chunk(b"ANIM", bytes(6))
    body += frame * (20_000_000 // len(frame))
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def nested_boxes(kind: bytes, depth: int) -> bytes:
    start = box(b"ftyp", kind + bytes(4) + kind + b"mif1")
    sizes = (8 * (depth - level) + 12 for level in range(depth))
    return start + b"".join(struct.pack(">I", size) + b"meta" for size in sizes) + bytes(12)


def items(kind: bytes, count: int) -> bytes:
    """A header that lists many images, each of them a grid of all others."""
    start = box(b"ftyp", kind + bytes(4) + kind + b"mif1")
    entries = b"".join(
        box(b"infe", b"\2\0\0\0" + struct.pack(">HH", number, 0) + b"grid\0")
        for number in range(1, count)
    )
    listed = box(b"iinf", bytes(4) + struct.pack(">H", count - 1) + entries)
    references = b"".join(
        box(b"dimg", struct.pack(">HH", number, 255) + struct.pack(">255H", *range(1, 256)))
        for number in range(1, count)
    )
    handler = box(b"hdlr", bytes(8) + b"pict" + bytes(13))
    primary = box(b"pitm", bytes(4) + struct.pack(">H", 1))
    body = bytes(4) + handler + primary + listed + box(b"iref", bytes(4) + references)
    return start + box(b"meta", body)


def with_overlapping_exif(kind: str) -> bytes:
    """Written with other EXIF data first, because the encoders parse it, too."""
    hostile = overlapping_exif(60_000, 5_000_000)
    harmless = b"II*\0\x08\0\0\0\0\0" + noise(len(hostile) - 10)
    content = encoded(SMALL, kind, exif=harmless)
    assert harmless in content
    return content.replace(harmless, hostile)


def avif_of_12_bits_that_claims_8() -> bytes:
    return (
        AVIF_OF_12_BITS.read_bytes()
        .replace(b"av1C\x81\x5f\x60", b"av1C\x81\x1f\x0c")
        .replace(b"av1C\x81\x5f\x7c", b"av1C\x81\x1f\x1c")
    )


def bmp_of(width: int, height: int, bits: int, compression: int, data: bytes) -> bytes:
    header = struct.pack(
        "<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(data), 0, 0, 256, 0
    )
    palette = b"".join(bytes((n, n, 255 - n, 0)) for n in range(256)) if bits <= 8 else b""
    start = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + header + palette + data


# By name: the file, and what becomes of it: "stored", or a Code and what its message names.
HOSTILE: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "JPEG, 20,000 overlapping EXIF tags in 8 segments": (jpeg_with_exif_segments, "stored", ""),
    "JPEG, 19,000 EXIF segments": (jpeg_with_short_exif_segments, "stored", ""),
    "JPEG, 16 MB of color profile": (
        lambda: encoded(SMALL, "JPEG", icc_profile=profile(16_000_000)), "stored", ""),
    "JPEG, 100 megapixels, 64 scans": (
        lambda: jpeg_with_scans(10_000, 64), "ImageTooComplex", "64 scans .* 2,000,000,000"),
    "JPEG, 100 megapixels, 20 scans": (lambda: jpeg_with_scans(10_000, 20), "stored", ""),
    "JPEG, 65 scans": (lambda: jpeg_with_scans(100, 65), "ImageTooComplex", "64 scans"),
    "JPEG, 20 MB of restart markers": (jpeg_with_restarts, "any", ""),
    "JPEG that claims 65,500 x 65,500": (
        lambda: jpeg_that_claims(65_500, 65_500), "ImageTooLarge", "100,000,000"),
    "JPEG that claims 10,000 x 10,000": (
        lambda: jpeg_that_claims(10_000, 10_000), "any", ""),
    "PNG, compressed text of 100 MB": (
        lambda: png(png_chunk(b"zTXt", b"a\0\0" + compressed_zeros(100_000_000))), "stored", ""),
    "PNG, compressed profile of 100 MB": (
        lambda: png(png_chunk(b"iCCP", b"a\0\0" + compressed_zeros(100_000_000))), "stored", ""),
    "PNG, compressed EXIF of 100 MB": (
        lambda: png(png_chunk(b"zTXt", b"Raw profile type exif\0\0"
                              + compressed_zeros(100_000_000))), "stored", ""),
    "PNG, overlapping EXIF": (
        lambda: png(png_chunk(b"eXIf", overlapping_exif(60_000, 5_000_000))), "stored", ""),
    "PNG, 100 MB of pixels in 100 x 100": (
        lambda: png_of(100, 100, 8, 2, compressed_zeros(100_000_000), 0), "any", ""),
    "PNG, 49 megapixels, 16 bits, transparent, interlaced": (
        lambda: png_of(7_000, 7_000, 16, 6, compressed_zeros(393_000_000), 1), "any", ""),
    "PNG, 1.5 million frames": (
        lambda: png(png_chunk(b"acTL", struct.pack(">II", 1_500_000, 0)),
                    png_chunk(b"fcTL", bytes(26)) * 500_000), "ImageTooComplex", "20,000 parts"),
    "GIF, 1.5 million frames": (gif_with_frames, "stored", ""),
    "GIF, a frame of 65,535 x 65,535": (gif_with_a_huge_frame, "refused", ""),
    "GIF, 100 megapixels": (
        lambda: encoded(Image.new("P", ONE_COLOR, 3), "GIF"), "stored", ""),
    "WebP, 16 MB of color profile": (
        lambda: encoded(SMALL, "WEBP", icc_profile=profile(16_000_000)), "stored", ""),
    "WebP, 20 MB of overlapping EXIF": (
        lambda: encoded(SMALL, "WEBP", exif=overlapping_exif(60_000, 20_000_000)), "stored", ""),
    "WebP, 250,000 frames": (webp_with_frames, "any", ""),
    "WebP, 2 million chunks": (lambda: webp(riff_chunk(b"abcd", b"") * 2_000_000), "any", ""),
    "WebP, 100 megapixels": (
        lambda: encoded(Image.new("RGB", ONE_COLOR), "WEBP", method=0), "ImageTooLarge",
        "1,670 MB .* 1,200 MB"),
    "WebP, 268 megapixels": (
        lambda: webp_that_claims(16_384, 16_384),
        "ImageTooLarge", "100,000,000"),
    "AVIF, 100 megapixels, 12 bits, transparent": (
        AVIF_OF_12_BITS.read_bytes, "ImageTooLarge", "1,760 MB .* 1,200 MB"),
    "AVIF, 100 megapixels, 12 bits, transparent, claims 8 bits": (
        avif_of_12_bits_that_claims_8, "refused", ""),
    "AVIF, overlapping EXIF": (
        lambda: with_overlapping_exif("AVIF"), "any", ""),
    "AVIF, 16 MB of color profile": (
        lambda: encoded(SMALL, "AVIF", icc_profile=profile(16_000_000)), "stored", ""),
    "AVIF, 100,000 nested boxes": (lambda: nested_boxes(b"avif", 100_000), "refused", ""),
    "AVIF, 20,000 grids of each other": (lambda: items(b"avif", 20_000), "refused", ""),
    "HEIC, 100,000 nested boxes": (lambda: nested_boxes(b"heic", 100_000), "refused", ""),
    "HEIC, 20,000 grids of each other": (lambda: items(b"heic", 20_000), "refused", ""),
    "HEIC, overlapping EXIF": (
        lambda: with_overlapping_exif("HEIF"), "any", ""),
    "TIFF, 16 MB of color profile": (
        lambda: encoded(SMALL, "TIFF", icc_profile=profile(16_000_000)), "stored", ""),
    "TIFF, 4,000 overlapping tags": (lambda: tiff_with_tags(4_000), "stored", ""),
    "TIFF, 5,000 tags": (lambda: tiff_with_tags(5_000), "ImageTooComplex", "4,096 tags"),
    "TIFF, a tile of 60,000 x 60,000": (
        tiff_with_a_huge_tile, "ImageTooLarge", "3,600 MB .* 1,200 MB"),
    "TIFF, a directory that follows itself": (lambda: gray_tiff(following=8), "stored", ""),
    "TIFF, 100 megapixels, floating point": (
        lambda: encoded(Image.new("F", ONE_COLOR), "TIFF", compression="tiff_adobe_deflate",
                        strip_size=1 << 24), "stored", ""),
    "TIFF, 2 million strips": (
        lambda: gray_tiff((273, 4, 2_000_000, 8), (279, 4, 2_000_000, 8), data=bytes(9_000_000)),
        "ImageTooComplex", "20,000 parts"),
    "BMP without its 81 megapixels": (lambda: bmp_of(9_000, 9_000, 24, 0, b""), "ImageDamaged", ""),
    "BMP, 20 MB of run-length encoding": (
        lambda: bmp_of(10_000, 10_000, 8, 1, b"\1\0" * 10_000_000), "ImageTooComplex",
        "4,000,000 bytes"),
    "BMP, 3.9 MB of run-length encoding": (
        lambda: bmp_of(10_000, 10_000, 8, 1, b"\1\0" * 1_950_000), "any", ""),
    "BMP, an empty run, over and over": (
        lambda: bmp_of(10_000, 10_000, 8, 1, b"\0\2\0\0" * 950_000), "any", ""),
    "BMP that claims 65,000 x 65,000": (
        lambda: bmp_of(65_000, 65_000, 24, 0, b""), "ImageTooLarge", "100,000,000"),
    "icon that claims 255 images": (
        lambda: b"\0\0\1\0\xff\0" + b"\0" * 16 * 255, "ImageKindNotSupported", "icon"),
}  # fmt: skip
