"""What a function and its decoder process say to each other over two pipes.

A request is a length and a file. A response is a line of JSON about how the process that decoded
the file ended, and that process's answer: another line of JSON and the image. The answer comes from
a process that has read a stranger's file, so nothing in it is trusted: no pickle, and every field
is checked.
"""

import json
import struct
import traceback
from dataclasses import asdict, dataclass, fields
from typing import IO

from chalicelib.intake.images.prepared_image import PreparedImage
from chalicelib.model import errors
from chalicelib.model.errors import ImageContentError

_LENGTH = struct.Struct(">Q")

# A stored image has at most 15 MB, and what precedes it less than a kilobyte.
MAX_ANSWER_BYTES = 16_000_000


@dataclass(frozen=True)
class Ending:
    """How the process that decoded one image ended.

    `exit_code` is negative for a signal, as in subprocess. `peak_bytes` is its largest resident
    memory, `cpu_seconds` the processor time it used, and `answer_bytes` the length of its answer.
    """

    exit_code: int
    cpu_seconds: float
    peak_bytes: int
    answer_bytes: int


class OutOfMemory(Exception):
    """The answer of a process whose allocation failed."""


class Unexpected(Exception):
    """The answer of a process in which an error occurred that is not the image's; has its text."""


def write_request(pipe: IO[bytes], content: bytes) -> None:
    """Send a file to decode."""
    pipe.write(_LENGTH.pack(len(content)))
    pipe.write(content)
    pipe.flush()


def read_request(pipe: IO[bytes]) -> bytes | None:
    """The next file to decode; None once the pipe is closed."""
    header = pipe.read(_LENGTH.size)
    if len(header) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(header)
    content = pipe.read(length)
    return content if len(content) == length else None


def write_response(pipe: IO[bytes], ending: Ending, answer: bytes) -> None:
    """Send how decoding ended, and its answer."""
    pipe.write(json.dumps(asdict(ending)).encode() + b"\n")
    pipe.write(answer)
    pipe.flush()


def read_response(pipe: IO[bytes]) -> tuple[Ending, bytes] | None:
    """How decoding ended, and its answer; None if the pipe is closed."""
    line = pipe.readline(1000)
    if not line.endswith(b"\n"):
        return None
    ending = Ending(**json.loads(line))
    answer = pipe.read(ending.answer_bytes)
    return (ending, answer) if len(answer) == ending.answer_bytes else None


def answer_of(outcome: PreparedImage | BaseException) -> bytes:
    """The bytes that `outcome_of` reads."""
    if isinstance(outcome, PreparedImage):
        described = {name: value for name, value in vars(outcome).items() if name != "content"}
        return json.dumps({"prepared": described}).encode() + b"\n" + outcome.content
    if isinstance(outcome, MemoryError):
        return b'{"out_of_memory": true}\n'
    if isinstance(outcome, ImageContentError):
        refused = {"code": type(outcome).__name__, "message": str(outcome)}
        return json.dumps({"refused": refused}).encode() + b"\n"
    trace = "".join(traceback.format_exception(outcome))
    return json.dumps({"unexpected": trace[-2_000:]}).encode() + b"\n"


def outcome_of(answer: bytes) -> PreparedImage:
    """The prepared image in an answer.

    Raises the ImageContentError that the answer has, OutOfMemory or Unexpected.
    """
    line, _, content = answer.partition(b"\n")
    try:
        said = json.loads(line)
        if "prepared" in said:
            return _prepared(said["prepared"], content)
        if "out_of_memory" in said:
            raise OutOfMemory
        if "refused" in said:
            raise _refusal(str(said["refused"]["code"]), str(said["refused"]["message"]))
        what_else = str(said["unexpected"])
    except (ValueError, KeyError, TypeError) as error:
        raise Unexpected(f"{type(error).__name__} in an answer of {len(answer)} bytes") from error
    raise Unexpected(what_else)


def _prepared(said: dict[str, object], content: bytes) -> PreparedImage:
    types = {field.name: field.type for field in fields(PreparedImage)}
    values = {name: value for name, value in said.items() if name in types}
    prepared = PreparedImage(content=content, **values)  # type: ignore[arg-type]
    for name, value in vars(prepared).items():
        if type(value) is not types[name]:
            raise TypeError(name)
    if prepared.content_type not in {"image/jpeg", "image/png"}:
        raise ValueError(prepared.content_type)
    return prepared


def _refusal(code: str, message: str) -> ImageContentError:
    refusal = getattr(errors, code, None)
    if not (isinstance(refusal, type) and issubclass(refusal, ImageContentError)):
        raise ValueError(code)
    return refusal(message)
