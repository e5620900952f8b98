"""A CAM++ of a few hundred weights, its checkpoint as PyTorch would write it, and a corpus of made-up voices."""

from __future__ import annotations

import pickle
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import soundfile

BANDS, FRAMES = 16, 300
"""300 frames are 150 in the trunk: one whole context segment of 100, and half a one."""


def tiny_weights(seed: int = 0, bands: int = BANDS) -> dict[str, np.ndarray]:
    """Tensors named and shaped as in the real checkpoint, only narrow: 4 channels in front, 8 in the dense blocks."""
    rng = np.random.default_rng(seed)
    weights: dict[str, np.ndarray] = {}

    def conv(name: str, *shape: int) -> None:
        weights[f"{name}.weight"] = rng.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape).astype(np.float32)

    def norm(name: str, width: int, gain: bool = True) -> None:
        if gain:
            weights[f"{name}.weight"] = rng.uniform(0.5, 1.5, width).astype(np.float32)
            weights[f"{name}.bias"] = rng.normal(0, 0.3, width).astype(np.float32)
        weights[f"{name}.running_mean"] = rng.normal(0, 0.3, width).astype(np.float32)
        weights[f"{name}.running_var"] = rng.uniform(0.3, 2.0, width).astype(np.float32)

    conv("head.conv1", 4, 1, 3, 3)
    norm("head.bn1", 4)
    for stage in (1, 2):
        for block in (0, 1):
            name = f"head.layer{stage}.{block}"
            for part in (1, 2):
                conv(f"{name}.conv{part}", 4, 4, 3, 3)
                norm(f"{name}.bn{part}", 4)
            if block == 0:
                conv(f"{name}.shortcut.0", 4, 4, 1, 1)
                norm(f"{name}.shortcut.1", 4)
    conv("head.conv2", 4, 4, 3, 3)
    norm("head.bn2", 4)
    conv("xvector.tdnn.linear", 8, 4 * bands // 8, 5)
    norm("xvector.tdnn.nonlinear.batchnorm", 8)
    width = 8
    for block, depth in ((1, 2), (2, 1), (3, 1)):
        for layer in range(1, depth + 1):
            name = f"xvector.block{block}.tdnnd{layer}"
            norm(f"{name}.nonlinear1.batchnorm", width)
            conv(f"{name}.linear1", 8, width, 1)
            norm(f"{name}.nonlinear2.batchnorm", 8)
            conv(f"{name}.cam_layer.linear_local", 4, 8, 3)
            conv(f"{name}.cam_layer.linear1", 4, 8, 1)
            weights[f"{name}.cam_layer.linear1.bias"] = rng.normal(0, 0.1, 4).astype(np.float32)
            conv(f"{name}.cam_layer.linear2", 4, 4, 1)
            weights[f"{name}.cam_layer.linear2.bias"] = rng.normal(0, 0.1, 4).astype(np.float32)
            width += 4
        norm(f"xvector.transit{block}.nonlinear.batchnorm", width)
        conv(f"xvector.transit{block}.linear", width // 2, width, 1)
        width //= 2
    norm("xvector.out_nonlinear.batchnorm", width)
    conv("xvector.dense.linear", 6, 2 * width, 1)
    norm("xvector.dense.nonlinear.batchnorm", 6, gain=False)
    return weights


def tiny_windows(count: int = 12, bands: int = BANDS, frames: int = FRAMES, seed: int = 1) -> np.ndarray:
    """Smooth random features (n, frames, bands), mean removed."""
    rng = np.random.default_rng(seed)
    windows = np.cumsum(rng.normal(0, 0.5, (count, frames, bands)), axis=1) * 0.3 + rng.normal(
        0, 1, (count, frames, bands)
    )
    return (windows - windows.mean(axis=1, keepdims=True)).astype(np.float32)


class _Storage:
    def __init__(self, key: str, values: np.ndarray) -> None:
        self.key, self.values = key, values


class _Tensor:
    """Pickles as a tensor does: a call of ``_rebuild_tensor_v2`` with a storage, offset, shape and strides."""

    def __init__(self, storage: _Storage, offset: int, shape: tuple, strides: tuple) -> None:
        self.parts = (storage, offset, shape, strides, False, None)

    def __reduce__(self) -> tuple:
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.parts


def write_checkpoint(path: Path, weights: dict, overreach: bool = False) -> None:
    """A ``.pt`` file in the format of ``torch.save``. Matrices go in transposed storage, to have strides.

    Values that are no arrays are pickled as they are. ``overreach`` makes tensors longer than their storage.
    """
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def rebuild(*_: object) -> None: ...

    rebuild.__module__, rebuild.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    rebuild.__name__ = "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = rebuild
    torch.FloatStorage = type("FloatStorage", (), {"__module__": "torch"})
    saved = {name: sys.modules.get(name) for name in ("torch", "torch._utils")}
    sys.modules |= {"torch": torch, "torch._utils": utils}
    try:
        with zipfile.ZipFile(path, "w") as archive:

            class Pickler(pickle.Pickler):
                def persistent_id(self, obj: object) -> object:
                    if not isinstance(obj, _Storage):
                        return None
                    return ("storage", torch.FloatStorage, obj.key, "cpu", obj.values.size)

            state = {}
            for number, (name, value) in enumerate(weights.items()):
                if not isinstance(value, np.ndarray):
                    state[name] = value
                    continue
                kept = np.ascontiguousarray(value.T, np.float32)
                archive.writestr(f"archive/data/{number}", kept.tobytes())
                steps = tuple(step // 4 for step in kept.T.strides)
                shape = (value.shape[0] + overreach, *value.shape[1:])
                state[name] = _Tensor(_Storage(str(number), kept), 0, shape, steps)
            with archive.open("archive/data.pkl", "w") as file:
                Pickler(file, 2).dump(state)
    finally:
        for name, module in saved.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def voice(seed: int, seconds: float, pitch_hz: float) -> np.ndarray:
    """Something like a vowel that wanders: harmonics under two moving resonances, float32 at 16 kHz."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * 16_000)) / 16_000
    pitch = pitch_hz * (1 + 0.05 * np.sin(2 * np.pi * rng.uniform(1, 3) * time))
    phase = 2 * np.pi * np.cumsum(pitch) / 16_000
    first, second = 500 + 200 * np.sin(2 * np.pi * 2 * time), 1500 + 400 * np.sin(2 * np.pi * 1.3 * time + seed)
    sound = sum(
        np.sin(k * phase)
        * (np.exp(-(((k * pitch - first) / 200) ** 2)) + 0.5 * np.exp(-(((k * pitch - second) / 300) ** 2)))
        for k in range(1, 14)
    )
    sound = sound * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * time)) + 1e-3 * rng.standard_normal(len(time))
    return (0.2 * sound / np.abs(sound).max()).astype(np.float32)


def write_corpus(folder: Path) -> None:
    """Eight train speakers, two dev speakers and six noises, with a manifest."""
    rows = ["path split set speaker gender emotion language seconds licence source".replace(" ", "\t")]

    def add(path: str, samples: np.ndarray, split: str, name: str, speaker: str) -> None:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(target, samples, 16_000, subtype="PCM_16")
        fields = (path, split, name, speaker, "", "", "en", f"{len(samples) / 16_000:.3f}", "CC0-1.0", "made up")
        rows.append("\t".join(fields))

    for person in range(10):
        split, name = ("dev", "asc") if person >= 8 else ("train", "librispeech" if person < 4 else "asc")
        for take in range(4):
            samples = voice(10 * person + take, 0.8 + 0.6 * take, 90 + 17 * person)
            add(f"{split}/{name}/s{person}/{take}.wav", samples, split, name, f"s{person}")
    rng = np.random.default_rng(5)
    for fold in range(1, 6):
        add(
            f"noise/esc10/rain/{fold}-1-A.wav",
            0.1 * rng.standard_normal(32_000).astype(np.float32),
            "noise",
            "esc10",
            "",
        )
    add("noise/noise/hiss.wav", 0.05 * rng.standard_normal(48_000).astype(np.float32), "noise", "noise", "")
    (folder / "manifest.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
