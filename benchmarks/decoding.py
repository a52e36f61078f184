"""Measures what preparing the largest images costs: processor time, resident and virtual memory.

    python -m benchmarks.decoding [--side 10000] [--kind AVIF]

Each kind and mode is prepared once in a process of its own, without limits, and the table of
docs/decisions/0062 comes from it. A photograph is scaled up, which compresses better than a
photograph of that size would; "noise" is what compresses worst. Files may be larger than a caller
may send.
"""

import argparse
import io
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from chalicelib.intake.images import decoding_cost
from chalicelib.intake.images.decoding import load_decoders
from chalicelib.intake.images.prepare import prepare
from chalicelib.model.errors import ImageContentError

PHOTOGRAPH = Path(__file__).parents[1] / "localcloud" / "photographs" / "chelsea-cat.png"


def saved(image: Image.Image, kind: str, orientation: int = 1, **options: Any) -> bytes:
    """The image as a file."""
    output = io.BytesIO()
    if orientation != 1:
        exif = Image.Exif()
        exif[0x0112] = orientation
        options["exif"] = exif.tobytes()
    image.save(output, kind, **options)
    return output.getvalue()


def files(image: Image.Image) -> dict[str, Callable[[], bytes]]:
    """A writer for each kind and mode."""
    deflate: dict[str, Any] = {"compression": "tiff_adobe_deflate", "strip_size": 1 << 20}
    return {
        "JPEG": lambda: saved(image, "JPEG"),
        "JPEG noise": lambda: saved(image, "JPEG", quality=8),
        "JPEG rotated": lambda: saved(image, "JPEG", 6),
        "JPEG progressive 4:4:4 rotated": lambda: saved(
            image, "JPEG", 6, progressive=True, subsampling=0
        ),
        "JPEG CMYK": lambda: saved(image.convert("CMYK"), "JPEG"),
        "JPEG gray": lambda: saved(image.convert("L"), "JPEG"),
        "PNG": lambda: saved(image, "PNG", compress_level=1),
        "PNG palette": lambda: saved(image.quantize(256), "PNG", compress_level=1),
        "PNG transparent rotated": lambda: saved(transparent(image), "PNG", 6, compress_level=1),
        "PNG 16 bits gray": lambda: saved(image.convert("L").convert("I;16"), "PNG"),
        "PNG gray with alpha": lambda: saved(image.convert("LA"), "PNG", compress_level=1),
        "GIF": lambda: saved(image.quantize(256), "GIF"),
        "WEBP": lambda: saved(image, "WEBP", method=0),
        "WEBP transparent rotated": lambda: saved(transparent(image), "WEBP", 6, method=0),
        "WEBP lossless": lambda: saved(image, "WEBP", lossless=True, method=0),
        "AVIF": lambda: saved(image, "AVIF", speed=10),
        "AVIF 4:4:4": lambda: saved(image, "AVIF", speed=10, subsampling="4:4:4"),
        "AVIF transparent rotated": lambda: saved(transparent(image), "AVIF", 6, speed=10),
        "TIFF": lambda: saved(image, "TIFF", **deflate),
        "TIFF rotated": lambda: saved(image, "TIFF", 6, **deflate),
        "TIFF JPEG": lambda: saved(image, "TIFF", compression="jpeg"),
        "TIFF transparent": lambda: saved(transparent(image), "TIFF", **deflate),
        "TIFF CMYK": lambda: saved(image.convert("CMYK"), "TIFF", **deflate),
        "TIFF 16 bits gray": lambda: saved(image.convert("L").convert("I;16"), "TIFF", **deflate),
        "TIFF 32 bits": lambda: saved(image.convert("L").convert("I"), "TIFF", **deflate),
        "TIFF floats": lambda: saved(image.convert("F"), "TIFF", **deflate),
        "TIFF LAB": lambda: saved(Image.merge("LAB", image.split()), "TIFF", **deflate),
    }


def transparent(image: Image.Image) -> Image.Image:
    """The image with an alpha channel that is not the same everywhere."""
    image = image.convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--side", type=int, default=10_000, help="pixels per side")
    parser.add_argument("--kind", default="", help="only those that begin with this")
    options = parser.parse_args()
    load_decoders()
    decoding_cost.MAX_DECODED_BYTES = 1 << 60
    print("| image | file | processor | resident | virtual | bytes per pixel |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in files(Image.new("RGB", (1, 1))):
        if not name.startswith(options.kind):
            continue
        content = _written(name, options.side)
        if content is None:
            print(f"| {name} | cannot be written |")
            continue
        seconds, peak, virtual, outcome = _measured(content)
        print(
            f"| {name} | {len(content) / 1e6:.1f} MB | {seconds:.1f} s | {peak / 1e6:,.0f} MB | "
            f"{virtual / 1e6:,.0f} MB | {peak / options.side**2:.1f} | {outcome}",
            flush=True,
        )


def _written(name: str, side: int) -> bytes | None:
    """The file, written by another process, so that this one stays small; None if it cannot be."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        image = Image.open(PHOTOGRAPH).convert("RGB").resize((side, side))
        if name.endswith("noise"):
            image = Image.effect_noise((side, side), 128).convert("RGB")
        with open(writer, "wb") as pipe:
            pipe.write(files(image)[name]())
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        content = pipe.read()
    _, status = os.wait()
    return content if status == 0 else None


def _measured(content: bytes) -> tuple[float, int, int, str]:
    """Processor seconds, peak resident and virtual bytes, and what became of the file."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            outcome = prepare(content).content_type
        except ImageContentError as error:
            outcome = repr(error)
        status = Path("/proc/self/status").read_text()
        virtual = re.search(r"VmPeak:\s+(\d+)", status)
        with open(writer, "w") as pipe:
            pipe.write(f"{virtual[1] if virtual else 0} {outcome}")
        os._exit(0)
    os.close(writer)
    with open(reader) as pipe:
        virtual_kib, _, outcome = pipe.read().partition(" ")
    _, _, usage = os.wait3(0)
    seconds = usage.ru_utime + usage.ru_stime
    return seconds, usage.ru_maxrss * 1024, int(virtual_kib or 0) * 1024, outcome


if __name__ == "__main__":
    main()
