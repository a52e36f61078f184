"""One way to open a network."""

from pathlib import Path

import onnxruntime  # type: ignore[import-untyped] # it has no type information

_THREADS = 2


def open_session(model: Path, *, keeps_memory: bool = True) -> onnxruntime.InferenceSession:
    """A session on the CPU; `run` may be called from many threads at once.

    `keeps_memory` makes the next run of an input of the same size quicker; a network whose inputs
    vary in size would keep what the largest needed.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _THREADS
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = keeps_memory
    options.enable_mem_pattern = keeps_memory
    # Threads that wait by spinning would take the cores from other requests.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(
        str(model), sess_options=options, providers=["CPUExecutionProvider"]
    )
