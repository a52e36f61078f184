"""Common image formats, sent to the deployed stage: the cat is still recognized as a Cat.

`UPDATE_README=1 make test` writes the results into the table in the README.
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


def on_a_transparent_background(kind: str, **options: Any) -> bytes:
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
    "PNG, transparent": lambda: on_a_transparent_background("PNG"),
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

# The stored pixels of an upright image, by EXIF's orientation.
STORED_AS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@dataclass(frozen=True)
class Outcome:
    """How an image is stored, and the confidence of its label Cat (0 without one)."""

    content_type: str
    unchanged: bool
    width: int
    height: int
    cat_confidence: float


def send(stage: StageProcess, content: bytes) -> Outcome:
    headers = {"Content-Type": "application/octet-stream"}
    response = stage.request("POST", "/images", data=content, headers=headers)
    assert response.status_code in (200, 202), response.text
    image = stage.recognized(response.json()["id"])
    assert image["status"] == "RECOGNIZED", image
    stored = image["content"]
    confidences = {label["name"]: label["confidence"] for label in image["labels"]}
    return Outcome(
        stored["content_type"],
        stored["bytes"] == len(content),
        stored["width"],
        stored["height"],
        confidences.get("Cat", 0),
    )


@pytest.fixture(scope="module")
def outcomes(stage: StageProcess) -> dict[str, Outcome]:
    """The outcome of each format, sent as a request's body."""
    return {name: send(stage, make()) for name, make in FORMATS.items()}


@pytest.mark.parametrize("name", FORMATS)
def test_a_cat_in_any_format_is_recognized(outcomes: dict[str, Outcome], name: str) -> None:
    assert outcomes[name].cat_confidence >= 70
    assert outcomes[name].content_type in ("image/jpeg", "image/png")
    assert max(outcomes[name].width, outcomes[name].height) <= 10_000


@pytest.mark.parametrize("orientation", STORED_AS)
def test_a_cat_in_any_orientation_is_recognized_and_stored_upright(
    stage: StageProcess, orientation: int
) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    turned = CAT.transpose(STORED_AS[orientation])
    outcome = send(stage, saved(turned, "JPEG", quality=92, exif=exif))
    assert outcome.cat_confidence >= 70
    assert (outcome.width, outcome.height) == CAT.size


@pytest.mark.parametrize(
    ("content_type", "content", "named"),
    [
        ("image/heic", lambda: saved(CAT, "HEIF"), "HEIC"),
        ("image/svg+xml", lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
    ],
)
def test_an_unsupported_format_is_refused_by_name(
    stage: StageProcess, content_type: str, content: Callable[[], bytes], named: str
) -> None:
    headers = {"Content-Type": content_type}
    response = stage.request("POST", "/images", data=content(), headers=headers)
    assert 400 <= response.status_code < 500
    assert response.json()["Code"] == "ImageKindNotSupported"
    assert named in response.json()["Message"]


def test_the_table_in_the_readme_is_up_to_date(outcomes: dict[str, Outcome]) -> None:
    rows = [
        f"| {name} | {_stored(outcome)} | {'yes' if outcome.cat_confidence >= 70 else 'no'} |\n"
        for name, outcome in outcomes.items()
    ]
    table = "| sent | stored as | the cat is a Cat |\n| --- | --- | --- |\n" + "".join(rows)
    text = README.read_text()
    before, rest = text.split(START)
    table_in_readme, after = rest.split(END)
    if os.environ.get("UPDATE_README"):
        README.write_text(before + START + table + END + after)
    else:
        assert table_in_readme == table


def _stored(outcome: Outcome) -> str:
    kind = outcome.content_type.removeprefix("image/").upper()
    return f"{kind}, unchanged" if outcome.unchanged else kind
