import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from localcloud.rekognition.images import decode
from localcloud.rekognition.protocol import ServiceError
from tests.helpers.rekognition.images import encoded

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def quarters(width: int = 200, height: int = 100) -> Image.Image:
    """Red and green above blue and white."""
    image = Image.new("RGB", (2, 2))
    image.putdata([RED, GREEN, BLUE, WHITE])
    return image.resize((width, height), Image.Resampling.NEAREST)


def corners(pixels: np.ndarray) -> list[tuple[int, ...]]:
    """The primary colors at the top left, top right, bottom left and bottom right."""
    ends = [pixels[2, 2], pixels[2, -3], pixels[-3, 2], pixels[-3, -3]]
    return [tuple(255 if channel > 127 else 0 for channel in pixel) for pixel in ends]


def error_of(content: bytes) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        decode(content)
    assert caught.value.status == 400
    return caught.value


def png_declaring(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header declares this size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in chunks:
        content += struct.pack(">I", len(data)) + kind + data
        content += struct.pack(">I", zlib.crc32(kind + data))
    return content


@pytest.mark.parametrize("file_format", ["PNG", "JPEG"])
def test_pixels_are_rgb_from_the_top_left(file_format: str) -> None:
    image = decode(encoded(quarters(), file_format))
    assert (image.width, image.height) == (200, 100)
    assert corners(image.pixels) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        (1, [RED, GREEN, BLUE, WHITE]),
        (2, [GREEN, RED, WHITE, BLUE]),
        (3, [WHITE, BLUE, GREEN, RED]),
        (6, [BLUE, RED, WHITE, GREEN]),
        (8, [GREEN, WHITE, RED, BLUE]),
    ],
)
def test_a_jpeg_is_rotated_by_its_exif_orientation(
    orientation: int, expected: list[tuple[int, ...]]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = decode(encoded(quarters(), "JPEG", exif=exif))
    assert corners(image.pixels) == expected
    rotated = orientation in (6, 8)
    assert (image.width, image.height) == ((100, 200) if rotated else (200, 100))


def test_a_grayscale_jpeg_is_rotated_too() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(encoded(quarters().convert("L"), "JPEG", exif=exif)).height == 200


def test_a_large_jpeg_is_rotated_although_it_is_downscaled() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = decode(encoded(quarters(4000, 2000), "JPEG", exif=exif))
    assert (image.width, image.height) == (512, 1024)
    assert corners(image.pixels) == [BLUE, RED, WHITE, GREEN]


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "RGBA", "LA", "1", "I;16"])
def test_every_color_mode_becomes_rgb(mode: str) -> None:
    gray = Image.new("L", (100, 100), 255)
    if mode == "I;16":
        gray_16_bits = np.full((100, 100), 65_535, np.uint16)
        content = encoded(Image.fromarray(gray_16_bits), "PNG")
    else:
        content = encoded(gray.convert(mode), "JPEG" if mode == "CMYK" else "PNG")
    pixels = decode(content).pixels
    assert pixels.shape == (100, 100, 3)
    assert pixels.min() >= 250


def test_16_bit_grayscale_keeps_its_shades() -> None:
    shades = np.full((100, 100), 0x4000, np.uint16)
    assert decode(encoded(Image.fromarray(shades), "PNG")).pixels.mean() == 0x40


def test_transparent_pixels_become_white() -> None:
    clear = Image.new("RGBA", (100, 100), (0, 0, 0, 0))
    assert decode(encoded(clear, "PNG")).pixels.min() == 255


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>not an image</html>",
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff" + b"\0" * 1000,
        encoded(quarters(), "GIF"),
        encoded(quarters(), "WEBP"),
        encoded(quarters(), "BMP"),
        encoded(quarters(), "TIFF"),
        encoded(quarters(), "PNG")[:-200],
        encoded(quarters(), "JPEG")[:-200],
    ],
)
def test_anything_but_a_complete_jpeg_or_png_has_an_invalid_format(content: bytes) -> None:
    assert error_of(content).code == "InvalidImageFormatException"


def test_a_gif_with_a_jpeg_signature_is_rejected() -> None:
    gif = encoded(quarters(), "GIF")
    assert error_of(b"\xff\xd8\xff" + gif).code == "InvalidImageFormatException"


@pytest.mark.parametrize("size", [(79, 80), (80, 79), (1, 1)])
def test_fewer_than_80_pixels_per_side_are_an_invalid_parameter(size: tuple[int, int]) -> None:
    error = error_of(encoded(Image.new("RGB", size), "PNG"))
    assert error.code == "InvalidParameterException"
    assert f"{size[0]} x {size[1]}" in error.message


def test_80_pixels_per_side_are_accepted() -> None:
    assert decode(encoded(Image.new("RGB", (80, 80)), "PNG")).width == 80


@pytest.mark.parametrize("size", [(10_001, 80), (80, 10_001), (30_000, 30_000)])
def test_more_than_10000_pixels_per_side_are_too_large_and_not_decoded(
    size: tuple[int, int],
) -> None:
    assert error_of(png_declaring(*size)).code == "ImageTooLargeException"


def test_10000_pixels_per_side_are_accepted() -> None:
    image = decode(encoded(Image.new("L", (10_000, 100)), "PNG"))
    assert (image.width, image.height) == (1024, 10)


def test_decoding_is_deterministic() -> None:
    content = encoded(quarters(), "JPEG")
    assert np.array_equal(decode(content).pixels, decode(content).pixels)
