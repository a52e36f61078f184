"""Opens ONNX models with the settings that all networks share."""

from pathlib import Path

import onnxruntime  # type: ignore[import-untyped] # no type information

_THREADS = 2


def open_session(model: Path, *, keeps_memory: bool = True) -> onnxruntime.InferenceSession:
    """A CPU session for an ONNX file; `run` is thread-safe.

    `keeps_memory` speeds up further runs with inputs of the same size. A network whose inputs vary
    in size should not set it: it would keep the memory that the largest input needed.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _THREADS
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = keeps_memory
    options.enable_mem_pattern = keeps_memory
    # Spinning threads would take CPU time from other requests.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(
        str(model), sess_options=options, providers=["CPUExecutionProvider"]
    )
