"""Kills workers of Lambda functions, which are child processes of the emulator, while they work."""

import os
import random
import signal
from collections.abc import Callable, Iterable

from tests.helpers.stage_process import StageProcess, wait_for
from tests.helpers.worker_processes import processes

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
    return sorted(int(process.name) for process, runs in processes(stage) if runs == function)
