"""Find an interpreter. The only file that imports one.

Takes: a preference. Gives: an ``Engine`` that makes interpreters.
Must hold: LiteRT where it can be imported, else tflite-runtime, but never with numpy 2, under which it imports and then
fails in C; where there is none, the error has the line that installs one on this machine.
"""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from edge.errors import RuntimeMissingError

Preference = Literal["auto", "litert", "tflite"]

LITERT_LINE: Final = 'pip install "ai-edge-litert>=2.1"'
TFLITE_LINE: Final = 'pip install tflite-runtime==2.14.0 "numpy<2"'
CHATTER: Final = b"INFO: Created TensorFlow Lite XNNPACK delegate"
"""A harmless line that the runtime writes to the standard error for every model."""


@dataclass(frozen=True, slots=True)
class Engine:
    """One importable interpreter. ``module`` offers ``Interpreter`` and ``OpResolverType``; ``name`` is for reports."""

    kind: Literal["litert", "tflite"]
    name: str
    module: Any


def choose(prefer: Preference = "auto") -> Engine:
    """The interpreter to use. Raises ``RuntimeMissingError`` with the line that installs one."""
    reasons: list[str] = []
    for kind in ("litert", "tflite"):
        if prefer in {"auto", kind}:
            found = _litert() if kind == "litert" else _tflite()
            if isinstance(found, Engine):
                return found
            reasons.append(found)
    raise RuntimeMissingError(f"no TFLite interpreter can be used ({'; '.join(reasons)})", missing_remedy())


def installed() -> tuple[Engine, ...]:
    """All interpreters that can be used here, the one that ``auto`` takes first."""
    return tuple(found for found in (_litert(), _tflite()) if isinstance(found, Engine))


def missing_remedy(python: tuple[int, int] | None = None, machine: str = "") -> str:
    """What to do about a missing interpreter on this (or the given) version of Python and kind of machine."""
    python = python or sys.version_info[:2]
    machine = machine or platform.machine()
    new = python >= (3, 12)
    arm32 = machine.startswith("armv") or machine == "arm"
    if arm32 and new:
        return (
            f"There is none for {machine} with Python {python[0]}.{python[1]}; use a 64-bit system, or Python 3.11 "
            f"with "
            f"{TFLITE_LINE}"
        )
    return f"Run: {LITERT_LINE if new or machine in {'x86_64', 'AMD64'} else TFLITE_LINE}"


def _litert() -> Engine | str:
    try:
        from ai_edge_litert import interpreter
    except ImportError as error:
        return f"ai-edge-litert: {_reason(error, 'ai_edge_litert')}"
    return Engine("litert", f"ai-edge-litert {_version('ai-edge-litert')}", interpreter)


def _tflite() -> Engine | str:
    # Looked at before the import: with numpy 2 the import succeeds and the first model fails.
    if int(np.__version__.split(".")[0]) >= 2:
        return f"tflite-runtime: needs numpy < 2, but {np.__version__} is installed"
    # They share symbols of different versions: imported after TensorFlow it crashes, imported before it works.
    if "tensorflow" in sys.modules and "tflite_runtime.interpreter" not in sys.modules:
        return "tflite-runtime: cannot be loaded once TensorFlow is; use another process"
    try:
        from tflite_runtime import interpreter
    except ImportError as error:
        return f"tflite-runtime: {_reason(error, 'tflite_runtime')}"
    return Engine("tflite", f"tflite-runtime {_version('tflite-runtime')}", interpreter)


def _reason(error: ImportError, module: str) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name == module:
        return "not installed"
    return " ".join(str(error).split())[:200]


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "of unknown version"
