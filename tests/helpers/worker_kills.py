"""Kills workers of Lambda functions, the emulator's child processes, in the midst of their work."""

import os
import random
import signal
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.helpers.stage_process import StageProcess, wait_for

PROGRESS_SECONDS = 120


def kill_at(
    stage: StageProcess,
    function: str,
    progress: Callable[[], int],
    moments: Iterable[int],
    chance: random.Random,
) -> int:
    """Kill one of a function's workers each time that so much is done; how many were killed."""
    kills = 0
    for moment in sorted(moments):
        wait_for(progress, moment.__le__, PROGRESS_SECONDS, f"{moment} by {function}")
        if running := workers(stage, function):
            os.kill(chance.choice(running), signal.SIGKILL)
            kills += 1
    return kills


def workers(stage: StageProcess, function: str) -> list[int]:
    """The processes in which the emulator of this stage runs a function."""
    folder = f"{stage.folder}/.localcloud/tmp/ministack-lambda-image-recognition-local-{function}-"
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if folder in (process / "cmdline").read_text():
                found.append(int(process.name))
        except OSError:  # it ended at this moment
            continue
    return sorted(found)
