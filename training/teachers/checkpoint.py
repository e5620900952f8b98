"""Read the tensors of a PyTorch checkpoint without PyTorch.

Takes the path of a ``.pt`` file in the zip format of ``torch.save`` (a pickle that names tensors, and one raw little-
endian file per storage). Gives the state dictionary as numpy arrays. Must hold: the pickle can name nothing but
tensors; any other global it asks for is refused, so that opening a stranger's checkpoint runs none of its code.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edge.errors import UsageError

Weights = dict[str, npt.NDArray[Any]]
"""Tensor name -> array, as named by the checkpoint."""

_DTYPES: Final = {
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "DoubleStorage": np.dtype("<f8"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
}


def _tensor(
    storage: npt.NDArray[Any], offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any
) -> npt.NDArray[Any]:
    """Cut a strided view out of a flat storage; strides count elements. Bounds are checked: the file is not trusted."""
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if min((offset, *shape, *strides)) < 0 or (0 not in shape and last >= storage.size):
        raise pickle.UnpicklingError("a tensor reaches beyond its storage")
    view = np.lib.stride_tricks.as_strided(storage[offset:], shape, tuple(s * storage.itemsize for s in strides))
    return np.ascontiguousarray(view)


class _TensorUnpickler(pickle.Unpickler):
    """Knows ordered dictionaries, tensors and storages, and nothing else."""

    def __init__(self, stream: io.BytesIO, read: Callable[[str], bytes]) -> None:
        super().__init__(stream)
        self._read = read

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")

    def persistent_load(self, pid: Any) -> npt.NDArray[Any]:
        kind, dtype, key, _device, count = pid
        if kind != "storage" or not isinstance(dtype, np.dtype) or not str(key).isalnum():
            raise pickle.UnpicklingError("it holds something that is no tensor")
        return np.frombuffer(self._read(str(key)), dtype, int(count))


def read_checkpoint(path: Path) -> Weights:
    """The tensors in ``path``, each with its own dtype and shape: a PyTorch checkpoint, or what ``save_tensors`` wrote.

    Raises ``UsageError`` when the file is missing, is neither of the two, or holds anything but tensors.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if all(name.endswith(".npy") for name in archive.namelist()):
                with np.load(path, allow_pickle=False) as found:
                    return {name: found[name] for name in found.files}
            inside = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            if len(inside) != 1:
                raise UsageError(
                    f"{path} is a zip file but no PyTorch checkpoint",
                    "Give the .pt file of the teacher, or the .npz that `earmark train` wrote",
                )
            root = inside[0].removesuffix("data.pkl")
            unpickler = _TensorUnpickler(
                io.BytesIO(archive.read(inside[0])), lambda key: archive.read(f"{root}data/{key}")
            )
            state = unpickler.load()
    except FileNotFoundError:
        raise UsageError(f"There is no checkpoint at {path}", "Give its path with --checkpoint") from None
    except (zipfile.BadZipFile, pickle.UnpicklingError, KeyError, ValueError, TypeError, OSError) as error:
        raise UsageError(
            f"{path} cannot be read as a checkpoint (.pt of PyTorch, or .npz of `earmark train`): {error}",
            "Fetch or make the file again",
        ) from error
    if not isinstance(state, dict) or not all(isinstance(value, np.ndarray) for value in state.values()):
        raise UsageError(
            f"{path} holds something else than tensors", "Give a checkpoint with the state dictionary only"
        )
    return dict(state)


def save_tensors(path: Path, tensors: Weights) -> None:
    """Write tensors to an ``.npz`` file, whole or not at all. ``read_checkpoint`` reads it."""
    temporary = path.with_suffix(".tmp.npz")
    np.savez(temporary, **{name: np.asarray(value) for name, value in tensors.items()})
    temporary.replace(path)
