import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from localcloud.rekognition.conversion.torch_state import read_state_dict


class Malicious:
    def __reduce__(self) -> tuple[object, ...]:
        return (eval, ("1 + 1",))


def test_a_pickle_that_would_run_code_is_rejected(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    parts: tuple[object, ...] = (1, 2, 3, Malicious(), [])
    file.write_bytes(b"".join(pickle.dumps(part) for part in parts))
    with pytest.raises(pickle.UnpicklingError, match=r"builtins\.eval is rejected"):
        read_state_dict(file)


def test_tensors_are_read_with_offset_shape_and_strides(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    elements = np.arange(8, dtype=np.float32)
    state_dict = b"".join(
        (
            b"\x80\x02}X\x01\x00\x00\x00w",  # {"w":
            b"ctorch._utils\n_rebuild_tensor_v2\n",
            b"((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000",
            b"X\x03\x00\x00\x00cpuK\x08tQ",  # storage "0" of 8 elements on the CPU, by reference
            b"K\x02(K\x02K\x03t(K\x01K\x02t\x89}tRs.",  # offset 2, shape (2, 3), strides (1, 2)
        )
    )
    preface = b"".join(pickle.dumps(part) for part in (1, 2, 3))
    content = struct.pack("<q", 8) + elements.tobytes()
    file.write_bytes(preface + state_dict + pickle.dumps(["0"]) + content)
    assert read_state_dict(file)["w"].tolist() == [[2, 4, 6], [3, 5, 7]]
