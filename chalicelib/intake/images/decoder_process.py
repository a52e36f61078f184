"""The process in which strangers' files are decoded.

    python -m chalicelib.intake.images.decoder_process CPU_SECONDS MEMORY_BYTES

It has loaded the decoders, and forks a process with limits for each file. That process reads one
file, answers and ends, so no file sees another, and whatever decoding allocated is returned. This
process has one thread, so forking it is safe, and it never looks into a file itself.

It runs until its input is closed, that is, until the function that started it ends.
"""

import gc
import os
import sys

from chalicelib.intake.images.decoder_protocol import (
    MAX_ANSWER_BYTES,
    Ending,
    answer_of,
    read_request,
    write_response,
)
from chalicelib.intake.images.decoding import load_decoders
from chalicelib.intake.images.prepare import prepare
from chalicelib.intake.images.process_limits import ProcessLimits, limit_this_process


def main() -> None:
    """Decode one file after the other, until standard input is closed."""
    limits = ProcessLimits(cpu_seconds=int(sys.argv[1]), memory_bytes=int(sys.argv[2]))
    load_decoders()
    gc.freeze()  # a collection in a forked process would copy all of these pages
    requests, responses = sys.stdin.buffer, sys.stdout.buffer
    while (content := read_request(requests)) is not None:
        write_response(responses, *_decode_in_a_fork(content, limits))


def _decode_in_a_fork(content: bytes, limits: ProcessLimits) -> tuple[Ending, bytes]:
    reader, writer = os.pipe()
    process_id = os.fork()
    if process_id == 0:
        _decode_and_exit(content, writer, limits)
    os.close(writer)
    with open(reader, "rb") as pipe:
        answer = pipe.read(MAX_ANSWER_BYTES)
    _, status, usage = os.wait4(process_id, 0)
    ending = Ending(
        exit_code=os.waitstatus_to_exitcode(status),
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_bytes=usage.ru_maxrss * 1024,
        answer_bytes=len(answer),
    )
    return ending, answer


def _decode_and_exit(content: bytes, writer: int, limits: ProcessLimits) -> None:
    exit_code = 1
    try:
        _detach()
        with open(writer, "wb") as pipe:
            limit_this_process(limits)
            pipe.write(_answer(content))
        exit_code = 0
    finally:
        os._exit(exit_code)  # not sys.exit, which would run the parent's clean-up


def _answer(content: bytes) -> bytes:
    try:
        return answer_of(prepare(content))
    except Exception as error:
        return answer_of(error)


def _detach() -> None:
    """Leave the pipes of the next files and their answers, and keep decoders' notes off the log."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)


if __name__ == "__main__":
    main()
