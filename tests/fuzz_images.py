"""Coverage-guided fuzzing of what a stranger's file meets: `make fuzz-images`.

    python -m tests.fuzz_images [--seconds 300] [--corpus FOLDER]

atheris (libFuzzer) instruments `chalicelib.intake.images` and mutates small images of every kind
and the small ones of the hostile files. A finding is an exception that is neither a refusal nor
MemoryError, a file that takes more than 8 s or 1.3 GB, and what is stored although it breaks what
Rekognition accepts. libFuzzer writes it to `crash-…`, `timeout-…` or `oom-…` in the corpus' folder.
Add what makes it to `tests/helpers/hostile_files.py`, then mend the cause.
"""

import argparse
import io
import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

try:
    import atheris
except ImportError:
    sys.exit("atheris is not installed: it has no wheel for Python 3.14 yet. Use an older Python.")

with atheris.instrument_imports(include=["chalicelib.intake.images"]):
    from chalicelib.intake.images.decoding import load_decoders
    from chalicelib.intake.images.prepare import prepare
    from chalicelib.intake.images.process_limits import ProcessLimits

from PIL import Image

from chalicelib.model.errors import ImageContentError
from tests.helpers.hostile_files import HOSTILE, SMALL, encoded

_SEEDS: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: encoded(SMALL, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0", comment=b"x"),
    "progressive": lambda: encoded(SMALL, "JPEG", progressive=True),
    "png": lambda: encoded(SMALL, "PNG", icc_profile=bytes(200)),
    "gif": lambda: encoded(SMALL, "GIF", save_all=True, append_images=[SMALL.rotate(9)]),
    "webp": lambda: encoded(SMALL, "WEBP", save_all=True, append_images=[SMALL.rotate(9)]),
    "avif": lambda: encoded(SMALL, "AVIF"),
    "heic": lambda: encoded(SMALL, "HEIF"),
    "tiff": lambda: encoded(SMALL, "TIFF", compression="tiff_lzw"),
    "tiff-jpeg": lambda: encoded(SMALL, "TIFF", compression="jpeg"),
    "bmp": lambda: encoded(SMALL, "BMP"),
    "bmp-palette": lambda: encoded(SMALL.quantize(256), "BMP"),
}

_LARGEST_SEED_BYTES = 100_000


def one_file(content: bytes) -> None:
    """Prepare a file; raises for what must not happen."""
    try:
        prepared = prepare(content)
    except (ImageContentError, MemoryError):
        return
    image = Image.open(io.BytesIO(prepared.content))
    image.load()
    if image.size != (prepared.width, prepared.height) or image.mode not in {"RGB", "L"}:
        raise AssertionError(f"stored {image.mode} {image.size}, said {prepared.content_type}")
    if image.getexif() or image.info.keys() & {"exif", "xmp", "comment", "photoshop"}:
        raise AssertionError(f"stored {image.info.keys()}")


def write_seeds(corpus: Path) -> None:
    """Write what is mutated: files that are quick to decode."""
    hostile = {
        f"hostile-{number}": write
        for number, (name, (write, _, _)) in enumerate(HOSTILE.items())
        if "megapixels" not in name
    }
    for name, write in (_SEEDS | hostile).items():
        content = write()
        if len(content) <= _LARGEST_SEED_BYTES:
            (corpus / name).write_bytes(content)


def main() -> None:
    """Fuzz for some time, or until something is found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--corpus", type=Path, help="a folder to keep; a temporary one without")
    options = parser.parse_args()
    corpus = options.corpus or Path(tempfile.mkdtemp(prefix="fuzz-images-"))
    corpus.mkdir(parents=True, exist_ok=True)
    if (process := os.fork()) == 0:  # so that the seeds' memory does not count
        write_seeds(corpus)
        os._exit(0)
    os.waitpid(process, 0)
    load_decoders()
    warnings.simplefilter("ignore")  # Pillow's own pixel limit
    limits = ProcessLimits()
    atheris.Setup(
        [
            sys.argv[0],
            str(corpus),
            f"-artifact_prefix={corpus}/",
            f"-max_total_time={options.seconds}",
            f"-timeout={limits.cpu_seconds}",
            f"-rss_limit_mb={limits.memory_bytes // 1_000_000}",
            f"-max_len={_LARGEST_SEED_BYTES}",
        ],
        one_file,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
