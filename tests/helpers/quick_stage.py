"""A deployed local stage whose recognizer and third party answer at once."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.quick_servers import QuickRecognizer, QuickThirdParty
from tests.helpers.stage_process import StageProcess

_WORKER = re.compile(r"ministack-lambda-image-recognition-local-?(?P<function>\w*)-")


@dataclass(frozen=True)
class QuickStage:
    """A stage, and what answers it."""

    stage: StageProcess
    recognizer: QuickRecognizer
    third_party: QuickThirdParty


@contextmanager
def quick_stage(
    folder: Path, recognizer: QuickRecognizer | None = None, **settings: str
) -> Iterator[QuickStage]:
    """Deploy and run a stage in a new folder; without a recognizer, to one of ten labels."""
    recognizer, third_party = recognizer or QuickRecognizer(), QuickThirdParty()
    environment = {"REKOGNITION_URL": recognizer.url, "THIRD_PARTY_URL": third_party.url}
    stage = StageProcess(folder, environment | settings)
    stage.copy_project()
    try:
        stage.start()
        yield QuickStage(stage, recognizer, third_party)
    finally:
        stage.stop_if_running()
        recognizer.close()
        third_party.close()


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
