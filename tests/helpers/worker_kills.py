"""Kills workers of Lambda functions, which are child processes of the emulator, while they work."""

import os
import random
import signal
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.helpers.stage_process import StageProcess, wait_for

PROGRESS_SECONDS = 120


def kill_workers_at(
    stage: StageProcess,
    function: str,
    progress: Callable[[], int],
    counts: Iterable[int],
    chance: random.Random,
) -> int:
    """Kill a random worker of a function whenever `progress` reaches one of `counts`.

    Returns how many workers were killed; none is killed at a count where no worker is running.
    """
    kills = 0
    for count in sorted(counts):
        wait_for(progress, count.__le__, PROGRESS_SECONDS, f"{function} to reach {count}")
        if running := workers(stage, function):
            os.kill(chance.choice(running), signal.SIGKILL)
            kills += 1
    return kills


def workers(stage: StageProcess, function: str) -> list[int]:
    """The ids of the processes in which this stage's emulator runs a function."""
    folder = f"{stage.folder}/.localcloud/tmp/ministack-lambda-image-recognition-local-{function}-"
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if folder in (process / "cmdline").read_text():
                found.append(int(process.name))
        except OSError:  # it has just ended
            continue
    return sorted(found)
