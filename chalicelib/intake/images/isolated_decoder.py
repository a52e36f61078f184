"""Prepares images in a process of its own, which has limits on time and memory.

A file that hangs a decoder, eats memory or crashes it is refused; the function and the other
messages of its batch notice nothing. One image is decoded at a time, because a function has one CPU
and memory for one.
"""

import contextlib
import logging
import os
import signal
import subprocess
import sys
from threading import Event, Lock, Timer

from chalicelib.intake.images.decoder_protocol import (
    Ending,
    OutOfMemory,
    Unexpected,
    outcome_of,
    read_response,
    write_request,
)
from chalicelib.intake.images.prepared_image import PreparedImage
from chalicelib.intake.images.process_limits import ProcessLimits
from chalicelib.model.errors import ImageDamaged, ImageTooComplex

_PROGRAM = "chalicelib.intake.images.decoder_process"

# What the interpreter and its libraries need. Nothing else of the environment is passed on, least
# of all the function's credentials.
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ")

_CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}

logger = logging.getLogger(__name__)


class DecoderUnavailable(Exception):
    """The decoder process cannot be started, or was killed twice; no fault of the image."""


class IsolatedDecoder:
    """A decoder process, started at the first need, kept for further images, replaced if it dies.

    Safe to use from several threads, which take turns.
    """

    def __init__(self, limits: ProcessLimits = ProcessLimits()) -> None:  # noqa: B008 - frozen
        self._limits = limits
        self._turn = Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process, unless it runs, without waiting until it is ready.

        Called before a fetch, so that starting takes place while the image is on its way.
        """
        if self._turn.acquire(blocking=False):
            try:
                self._running()
            finally:
                self._turn.release()

    def stop(self) -> None:
        """End the process; the next image starts another."""
        with self._turn:
            self._end()

    def prepare(self, content: bytes) -> PreparedImage:
        """The image in `content`, as Rekognition accepts it.

        Waits for its turn. Raises a subclass of ImageContentError whose message says why the bytes
        are no usable image, ImageTooComplex among them for an image that needs more time or memory
        than its limits, and DecoderUnavailable.
        """
        with self._turn:
            response = self._response(content) or self._response(content)
        if response is None:
            raise DecoderUnavailable("The decoder process was killed twice, or cannot start.")
        return self._outcome(*response)

    def _response(self, content: bytes) -> tuple[Ending, bytes] | None:
        """How decoding ended, and its answer; None if somebody else killed the process."""
        process = self._running()
        timed_out = Event()

        def time_out() -> None:
            timed_out.set()
            _kill(process)

        watchdog = Timer(self._limits.wall_seconds, time_out)
        watchdog.daemon = True
        watchdog.start()
        response = _asked(process, content)
        watchdog.cancel()
        watchdog.join()  # so that it never kills another process that got this one's id
        if response is None or timed_out.is_set():
            self._end()
        if timed_out.is_set():
            raise _too_slow(self._limits.wall_seconds, "seconds")
        return None if response is None or self._killed_by_others(response[0]) else response

    def _killed_by_others(self, ending: Ending) -> bool:
        """Whether an operator or the kernel, for lack of memory elsewhere, ended the decoding."""
        in_time = ending.cpu_seconds < self._limits.cpu_seconds
        return ending.exit_code == -signal.SIGKILL and in_time

    def _outcome(self, ending: Ending, answer: bytes) -> PreparedImage:
        if ending.exit_code == 0:
            try:
                return outcome_of(answer)
            except OutOfMemory as error:
                raise _too_large(self._limits.memory_bytes) from error
            except Unexpected as error:
                logger.error("Preparing an image failed: %s", error)
                raise _damaged() from error
        logger.warning("Decoding ended with %d after %.1f s", ending.exit_code, ending.cpu_seconds)
        if ending.exit_code in {-signal.SIGXCPU, -signal.SIGKILL}:
            raise _too_slow(self._limits.cpu_seconds, "seconds of processor time")
        if -ending.exit_code in _CRASHES:
            raise _damaged()
        raise _too_large(self._limits.memory_bytes)  # not even the answer could be written

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._end()
        limits = (str(self._limits.cpu_seconds), str(self._limits.memory_bytes))
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        environment["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, sys.path))
        self._process = subprocess.Popen(  # noqa: S603 - a program of ours and two numbers
            [sys.executable, "-P", "-m", _PROGRAM, *limits],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,  # so that it is killed together with what it forked
        )
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        _kill(process)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):  # closing flushes what the process did not read
                pipe.close()  # type: ignore[union-attr]


def _asked(process: "subprocess.Popen[bytes]", content: bytes) -> tuple[Ending, bytes] | None:
    assert process.stdin is not None  # noqa: S101 - both are pipes
    assert process.stdout is not None  # noqa: S101
    try:
        write_request(process.stdin, content)
        return read_response(process.stdout)
    except (OSError, ValueError):  # the process ended, or its response is cut off
        return None


def _kill(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _too_slow(limit: float, unit: str) -> ImageTooComplex:
    return ImageTooComplex(
        f"Decoding the image takes more than {limit:g} {unit}. Save it again in an image editor, "
        "as a smaller JPEG or PNG, and send that."
    )


def _too_large(limit_bytes: int) -> ImageTooComplex:
    return ImageTooComplex(
        f"Decoding the image takes more than {limit_bytes / 1e6:,.0f} MB of memory. Send a smaller "
        "version, or one with 8 bits per channel and without transparency."
    )


def _damaged() -> ImageDamaged:
    return ImageDamaged(
        "The image cannot be decoded: it is damaged, or of a rare variant. Open it in an image "
        "editor, save it as JPEG or PNG, and send that."
    )
