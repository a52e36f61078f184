"""Every format that people have, through the deployed stage: the cat stays a Cat.

The table in the README is made from what this finds: `UPDATE_README=1 make test` writes it anew.
"""

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pillow_heif.HeifImagePlugin  # noqa: F401 - makes Pillow write HEIC
import pytest
from PIL import Image

from tests.helpers.stage_process import PROJECT, StageProcess

README = PROJECT / "README.md"
START, END = "<!-- formats -->\n", "<!-- /formats -->\n"
CAT = Image.open(PROJECT / "localcloud" / "photographs" / "chelsea-cat.png").convert("RGB")
ORIENTATION = 0x0112


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    output = io.BytesIO()
    image.save(output, kind, **options)
    return output.getvalue()


def with_a_red_frame(kind: str, **options: Any) -> bytes:
    red = Image.new("RGB", CAT.size, "red")
    return saved(CAT, kind, save_all=True, append_images=[red], **options)


def on_nothing(kind: str, **options: Any) -> bytes:
    cat = CAT.convert("RGBA")
    cat.putalpha(Image.new("L", CAT.size, 255))
    canvas = Image.new("RGBA", (CAT.width + 60, CAT.height + 60), (0, 0, 0, 0))
    canvas.paste(cat, (30, 30))
    return saved(canvas, kind, **options)


def sixteen_bits() -> bytes:
    return saved(CAT.convert("L").convert("I").point(lambda value: value * 257), "TIFF")


def large() -> bytes:
    return saved(CAT.resize((7728, 5140)), "JPEG", quality=85)  # 40 megapixels


FORMATS: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: saved(CAT, "JPEG", quality=92),
    "JPEG, progressive": lambda: saved(CAT, "JPEG", quality=92, progressive=True),
    "JPEG, grey": lambda: saved(CAT.convert("L"), "JPEG", quality=92),
    "JPEG, CMYK": lambda: saved(CAT.convert("CMYK"), "JPEG", quality=92),
    "JPEG, 40 megapixels": large,
    "PNG": lambda: saved(CAT, "PNG"),
    "PNG, palette": lambda: saved(CAT.quantize(256), "PNG"),
    "PNG, transparent": lambda: on_nothing("PNG"),
    "WebP": lambda: saved(CAT, "WEBP", quality=90),
    "WebP, lossless": lambda: saved(CAT, "WEBP", lossless=True),
    "WebP, animated": lambda: with_a_red_frame("WEBP"),
    "AVIF": lambda: saved(CAT, "AVIF", quality=85),
    "GIF": lambda: saved(CAT, "GIF"),
    "GIF, animated": lambda: with_a_red_frame("GIF"),
    "TIFF": lambda: saved(CAT, "TIFF"),
    "TIFF, LZW": lambda: saved(CAT, "TIFF", compression="tiff_lzw"),
    "TIFF, 16 bits grey": sixteen_bits,
    "BMP": lambda: saved(CAT, "BMP"),
}

# What turns an upright picture into how it lies in the file, by EXIF's orientation.
LYING = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@dataclass(frozen=True)
class Seen:
    """How a format is stored, and how sure the cat was."""

    content_type: str
    unchanged: bool
    width: int
    height: int
    cat: float


def send(stage: StageProcess, content: bytes) -> Seen:
    headers = {"Content-Type": "application/octet-stream"}
    response = stage.request("POST", "/images", data=content, headers=headers)
    assert response.status_code in (200, 202), response.text
    image = stage.recognized(response.json()["id"])
    assert image["status"] == "RECOGNIZED", image
    stored = image["content"]
    confidences = {label["name"]: label["confidence"] for label in image["labels"]}
    return Seen(
        stored["content_type"],
        stored["bytes"] == len(content),
        stored["width"],
        stored["height"],
        confidences.get("Cat", 0),
    )


@pytest.fixture(scope="module")
def seen(stage: StageProcess) -> dict[str, Seen]:
    """Each format, sent as a request's body."""
    return {name: send(stage, make()) for name, make in FORMATS.items()}


@pytest.mark.parametrize("name", FORMATS)
def test_the_cat_stays_a_cat(seen: dict[str, Seen], name: str) -> None:
    assert seen[name].cat >= 70
    assert seen[name].content_type in ("image/jpeg", "image/png")
    assert max(seen[name].width, seen[name].height) <= 10_000


@pytest.mark.parametrize("orientation", LYING)
def test_the_cat_stays_a_cat_and_is_put_upright(stage: StageProcess, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    lying = CAT.transpose(LYING[orientation])
    result = send(stage, saved(lying, "JPEG", quality=92, exif=exif))
    assert result.cat >= 70
    assert (result.width, result.height) == CAT.size


@pytest.mark.parametrize(
    ("content_type", "content", "named"),
    [
        ("image/heic", lambda: saved(CAT, "HEIF"), "HEIC"),
        ("image/svg+xml", lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
    ],
)
def test_what_is_not_taken_is_named(
    stage: StageProcess, content_type: str, content: Callable[[], bytes], named: str
) -> None:
    headers = {"Content-Type": content_type}
    response = stage.request("POST", "/images", data=content(), headers=headers)
    assert 400 <= response.status_code < 500
    assert response.json()["Code"] == "ImageKindNotSupported"
    assert named in response.json()["Message"]


def test_the_readme_tells_what_was_found(seen: dict[str, Seen]) -> None:
    rows = [
        f"| {name} | {_stored(result)} | {'yes' if result.cat >= 70 else 'no'} |\n"
        for name, result in seen.items()
    ]
    table = "| sent | stored as | the cat is a Cat |\n| --- | --- | --- |\n" + "".join(rows)
    text = README.read_text()
    before, rest = text.split(START)
    told, after = rest.split(END)
    if os.environ.get("UPDATE_README"):
        README.write_text(before + START + table + END + after)
    else:
        assert told == table


def _stored(result: Seen) -> str:
    kind = result.content_type.removeprefix("image/").upper()
    return f"{kind}, unchanged" if result.unchanged else kind
