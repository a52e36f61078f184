"""Reads a PyTorch state dict in the legacy (not zipped) format with NumPy alone.

A .pth file is a pickle, and unpickling can run arbitrary code. Only the names that a state dict
needs are resolved here; any other name is rejected.

The format: three pickles as a header (magic number, protocol version, byte order); the pickle of
the state dict, in which each tensor refers to a storage by key; the pickle of the list of keys;
then, for each key, the number of elements (8 bytes, little endian) and the raw elements.
"""

import collections
import pickle
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

_ELEMENT_TYPES = {"FloatStorage": np.float32, "LongStorage": np.int64}


def read_state_dict(path: Path) -> dict[str, NDArray[Any]]:
    """The tensors of a state dict by name; raises pickle.UnpicklingError for any other pickle."""
    with path.open("rb") as file:
        for _header in ("magic number", "protocol version", "byte order"):
            _RestrictedUnpickler(file).load()
        unpickler = _RestrictedUnpickler(file)
        tensors = unpickler.load()
        for key in _RestrictedUnpickler(file).load():
            _read_elements(file, unpickler.storages[key])
    return {name: tensor.to_array() for name, tensor in tensors.items()}


@dataclass
class _Storage:
    element_type: Any
    elements: NDArray[Any] | None = None


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def to_array(self) -> NDArray[Any]:
        """A copy of the tensor; `shape` and `strides` are in elements."""
        elements = self.storage.elements
        if elements is None:
            raise pickle.UnpicklingError("a tensor refers to a storage that is not in the file")
        strides = [stride * elements.itemsize for stride in self.strides]
        view = np.lib.stride_tricks.as_strided(elements[self.offset :], self.shape, strides)
        return view.copy()


class _RestrictedUnpickler(pickle.Unpickler):
    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in _ELEMENT_TYPES:
            return _ELEMENT_TYPES[name]
        raise pickle.UnpicklingError(f"{module}.{name} is rejected: a state dict does not need it")

    def persistent_load(self, reference: tuple[Any, ...]) -> _Storage:
        _kind, element_type, key, *_location_and_size = reference
        return self.storages.setdefault(key, _Storage(element_type))


def _rebuild_tensor(
    storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_rest: Any
) -> _Tensor:
    return _Tensor(storage, offset, shape, strides)


def _read_elements(file: BinaryIO, storage: _Storage) -> None:
    (count,) = struct.unpack("<q", file.read(8))
    size = np.dtype(storage.element_type).itemsize
    storage.elements = np.frombuffer(file.read(count * size), storage.element_type)
