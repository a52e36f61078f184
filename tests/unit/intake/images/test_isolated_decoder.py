"""Images are decoded in a process with limits: whatever a file does there, the next one is fine."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest
from PIL import Image

from chalicelib.intake.images.decoder_protocol import Unexpected, answer_of, outcome_of
from chalicelib.intake.images.isolated_decoder import DecoderUnavailable, IsolatedDecoder
from chalicelib.intake.images.prepare import prepare
from chalicelib.intake.images.process_limits import ProcessLimits
from chalicelib.model.errors import ImageDamaged, ImageTooComplex, ImageTooSmall, NotAnImage

PROJECT = Path(__file__).parents[4]
CAT = (PROJECT / "localcloud" / "photographs" / "chelsea-cat.png").read_bytes()
T = TypeVar("T")


def encoded(image: Image.Image, kind: str) -> bytes:
    output = io.BytesIO()
    image.save(output, kind)
    return output.getvalue()


LARGE = encoded(Image.open(io.BytesIO(CAT)).convert("RGB").resize((7_000, 7_000)), "WEBP")


@pytest.fixture
def decoder() -> Iterator[IsolatedDecoder]:
    yield from limited(ProcessLimits())


def limited(limits: ProcessLimits) -> Iterator[IsolatedDecoder]:
    decoder = IsolatedDecoder(limits)
    yield decoder
    decoder.stop()


def process_of(decoder: IsolatedDecoder) -> int:
    process = decoder._process
    assert process is not None
    return process.pid


def children_of(process_id: int) -> list[int]:
    children = Path(f"/proc/{process_id}/task/{process_id}/children")
    return [int(child) for child in children.read_text().split()]


def eventually(find: Callable[[], T]) -> T:
    deadline = time.monotonic() + 20
    while not (found := find()):
        assert time.monotonic() < deadline
    return found


def test_an_image_is_prepared_as_in_this_process(decoder: IsolatedDecoder) -> None:
    assert decoder.prepare(CAT) == prepare(CAT)


@pytest.mark.parametrize(
    ("content", "refusal", "named"),
    [
        (b"", NotAnImage, "empty"),
        (encoded(Image.new("L", (79, 80)), "PNG"), ImageTooSmall, "79 x 80"),
        (CAT[:10_000], ImageDamaged, "truncated"),
    ],
)
def test_a_refusal_arrives_with_its_message(
    decoder: IsolatedDecoder, content: bytes, refusal: type[Exception], named: str
) -> None:
    with pytest.raises(refusal, match=named):
        decoder.prepare(content)


def test_the_process_is_kept_for_further_images(decoder: IsolatedDecoder) -> None:
    decoder.start()
    first = process_of(decoder)

    for content in (CAT, CAT[:1_000], CAT):
        try:
            decoder.prepare(content)
        except ImageDamaged:
            continue

    assert process_of(decoder) == first


def test_processor_time_is_limited() -> None:
    for decoder in limited(ProcessLimits(cpu_seconds=1)):
        with pytest.raises(ImageTooComplex, match="1 seconds of processor time"):
            decoder.prepare(slow_png())
        assert decoder.prepare(CAT).content


def slow_png() -> bytes:
    """48 megapixels: about 2 s of processor time."""
    image = Image.linear_gradient("L").resize((7_000, 7_000)).convert("RGBA")
    image.putalpha(7)
    return encoded(image, "PNG")


def test_memory_is_limited() -> None:
    for decoder in limited(ProcessLimits(memory_bytes=300_000_000)):
        with pytest.raises(ImageTooComplex, match="300 MB of memory"):
            decoder.prepare(slow_png())
        assert decoder.prepare(CAT).content


def test_a_process_that_hangs_is_killed_and_replaced() -> None:
    for decoder in limited(ProcessLimits(wall_seconds=5)):
        decoder.prepare(CAT)
        os.kill(process_of(decoder), signal.SIGSTOP)
        with pytest.raises(ImageTooComplex, match="5 seconds"):
            decoder.prepare(CAT)
        assert decoder.prepare(CAT).content


def test_a_process_that_was_killed_in_between_is_replaced(decoder: IsolatedDecoder) -> None:
    decoder.prepare(CAT)
    os.kill(process_of(decoder), signal.SIGKILL)

    assert decoder.prepare(CAT).content


@pytest.mark.parametrize("whom", ["the process", "what it forked"])
def test_an_image_whose_process_is_killed_is_decoded_again(
    decoder: IsolatedDecoder, whom: str
) -> None:
    decoder.start()
    process = process_of(decoder)
    with ThreadPoolExecutor() as pool:
        prepared = pool.submit(decoder.prepare, LARGE)
        forked = eventually(lambda: children_of(process))[0]
        os.kill(process if whom == "the process" else forked, signal.SIGKILL)

        assert prepared.result().width == 7_000


def test_an_image_that_crashes_its_decoder_is_refused(decoder: IsolatedDecoder) -> None:
    decoder.start()
    process = process_of(decoder)
    with ThreadPoolExecutor() as pool:
        prepared = pool.submit(decoder.prepare, LARGE)
        os.kill(eventually(lambda: children_of(process))[0], signal.SIGSEGV)

        with pytest.raises(ImageDamaged, match="cannot be decoded"):
            prepared.result()
    assert decoder.prepare(CAT).content
    assert process_of(decoder) == process


def test_a_decoder_that_cannot_start_is_no_fault_of_the_image(
    decoder: IsolatedDecoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")

    with pytest.raises(DecoderUnavailable):
        decoder.prepare(CAT)


def test_the_process_has_no_credentials(
    decoder: IsolatedDecoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a secret")
    decoder.prepare(CAT)

    environment = Path(f"/proc/{process_of(decoder)}/environ").read_bytes()

    assert b"PYTHONPATH" in environment
    assert b"AWS" not in environment


def test_the_process_ends_with_the_function_that_started_it() -> None:
    program = (
        "import sys; from chalicelib.intake.images.isolated_decoder import IsolatedDecoder; "
        "decoder = IsolatedDecoder(); decoder.prepare(sys.stdin.buffer.read()); "
        "print(decoder._process.pid, flush=True); import os; os.kill(os.getpid(), 9)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], input=CAT, cwd=PROJECT, stdout=subprocess.PIPE
    )

    process = int(ended.stdout)
    assert ended.returncode == -signal.SIGKILL
    eventually(lambda: not _runs(process))


def _runs(process_id: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2]
    except OSError:
        return False


def test_images_of_several_threads_take_turns(decoder: IsolatedDecoder) -> None:
    with ThreadPoolExecutor(10) as pool:
        prepared = list(pool.map(decoder.prepare, [CAT, LARGE, *[CAT] * 8]))

    assert [image.width for image in prepared] == [451, 7_000, *[451] * 8]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"no JSON\n",
        b"[]\n",
        b'{"prepared": {}}\n',
        b'{"refused": {"code": "Exception", "message": ""}}\n',
        b'{"refused": {"code": "ImageNotFound", "message": ""}}\n',
        answer_of(prepare(CAT)).replace(b"451", b'"451"', 1),
        answer_of(prepare(CAT)).replace(b"image/png", b"text/html", 1),
    ],
)
def test_an_answer_of_another_form_is_not_trusted(answer: bytes) -> None:
    with pytest.raises(Unexpected):
        outcome_of(answer)
