"""The processes in which the emulator of a stage runs its functions, from Linux's /proc."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.helpers.stage_process import StageProcess

_WORKER = re.compile(r"ministack-lambda-image-recognition-local-?(?P<function>\w*)-")


def processes(stage: StageProcess) -> Iterator[tuple[Path, str]]:
    """The folders below /proc of the workers and of the emulator of a stage, with the function.

    The function of the emulator is `emulator`.
    """
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_text()
        except OSError:  # it has just ended
            continue
        if str(stage.folder) in command:
            worker = _WORKER.search(command)
            yield process, (worker["function"] or "api_handler") if worker else "emulator"


def worker_megabytes(stage: StageProcess) -> dict[str, float]:
    """The memory of each worker now, by function and process id."""
    found = {}
    for process, function in processes(stage):
        try:
            pages = int((process / "statm").read_text().split()[1])
        except OSError:
            continue
        if function != "emulator":
            found[f"{function} {process.name}"] = pages * 4096 / 1e6
    return found
