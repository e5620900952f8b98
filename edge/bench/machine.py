"""What this machine is, and how much of its disk Earmark takes.

Takes nothing; gives facts for the head of a benchmark. Must hold: a figure without its machine means nothing.
"""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Final

_INT8_FLAGS: Final = ("avx2", "avx512_vnni", "avx_vnni", "amx_int8", "asimd", "asimddp", "i8mm")
"""Processor features that decide how fast int8 is; without a dot-product instruction it is no faster than float."""

_EDGE: Final = ("numpy", "ai-edge-litert", "tflite-runtime", "paho-mqtt", "PyYAML", "soundfile", "PyAudio")


def describe() -> dict[str, Any]:
    """Processor, its int8 features, cores, load, Python and numpy."""
    import numpy as np

    text = _read("/proc/cpuinfo")
    named = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", text, re.MULTILINE)
    listed = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.MULTILINE)
    present = set(listed.group(1).split()) if listed else set()
    return {
        "processor": named.group(1).strip() if named else platform.processor() or platform.machine(),
        "architecture": platform.machine(),
        "int8_features": [flag for flag in _INT8_FLAGS if flag in present],
        "cores": os.cpu_count() or 1,
        "load_average": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def installed_mb() -> float:
    """Size on disk in MB (10^6 bytes) of Earmark's edge with its bundles and everything it needs to run."""
    package = Path(__file__).resolve().parent.parent
    total = sum(f.stat().st_size for f in package.rglob("*") if f.is_file() and "__pycache__" not in f.parts)
    return round((total + sum(_size(one) for one in _needed())) / 1e6, 1)


def _needed() -> list[Distribution]:
    """The distributions that the edge uses, and what these need, each once."""
    found: dict[str, Distribution] = {}
    waiting = list(_EDGE)
    while waiting:
        name = waiting.pop()
        key = re.sub(r"[-_.]+", "-", name).lower()
        if key in found:
            continue
        try:
            found[key] = distribution(name)
        except PackageNotFoundError:
            continue
        for line in found[key].requires or ():
            if "extra ==" not in line:
                waiting.append(re.split(r"[\s;<>=!~\[(]", line, maxsplit=1)[0])
    return list(found.values())


def _size(one: Distribution) -> int:
    total = 0
    for file in one.files or ():
        path = Path(str(file.locate()))
        if path.is_file() and path.suffix != ".pyc":
            total += path.stat().st_size
    return total


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
