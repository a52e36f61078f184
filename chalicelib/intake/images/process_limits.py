"""What decoding one image may use. The kernel enforces it: no file can talk its way around it."""

import resource
from dataclasses import dataclass


@dataclass(frozen=True)
class ProcessLimits:
    """The limits of a process that decodes one image.

    `cpu_seconds` is its processor time: most images of the largest size take less than half of it
    (docs/decisions/0062), and a request has 29 s, of which fetching may take 20. `wall_seconds`
    ends a process that waits for ever; on a full CPU, 8 s of processor time take 8 s.
    `memory_bytes` is its address space, about 50 MB more than its resident memory. The rest of a
    Lambda function's 1,769 MiB is for the function with ten files of 25 MiB and ten images of
    15 MB.
    """

    cpu_seconds: int = 8
    wall_seconds: float = 25
    memory_bytes: int = 1_300_000_000


def limit_this_process(limits: ProcessLimits) -> None:
    """Limit this process's time and memory for good, and keep it from writing files and cores.

    Beyond `cpu_seconds` the kernel ends it with SIGXCPU; beyond `memory_bytes` allocations fail.
    """
    _limit(resource.RLIMIT_CPU, limits.cpu_seconds, limits.cpu_seconds + 1)
    _limit(resource.RLIMIT_AS, limits.memory_bytes, limits.memory_bytes)
    _limit(resource.RLIMIT_FSIZE, 0, 0)
    _limit(resource.RLIMIT_CORE, 0, 0)


def _limit(what: int, soft: int, hard: int) -> None:
    _, highest = resource.getrlimit(what)
    if highest != resource.RLIM_INFINITY:  # only root may raise a limit that is lower already
        soft, hard = min(soft, highest), min(hard, highest)
    resource.setrlimit(what, (soft, hard))
