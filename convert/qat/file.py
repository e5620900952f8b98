"""A network fine-tuned for int8, between ``earmark train`` and ``earmark convert``.

Takes and gives ``Tuned``, as one ``.npz`` file: the graph's arrays by node and field, and under ``graph`` a JSON text
of everything else. Must hold: what is read is what was written; the int8 file made of it has exactly the scales that
the network was fine-tuned with.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np

from convert import graph as g
from convert.compact import compact
from convert.errors import ConversionError
from convert.float_tflite import float_tflite
from convert.qat.plan import Plan, plan_ranges, read_plan
from convert.quantise import quantise
from edge.errors import UsageError
from edge.runtime import QuantParams
from training.distil.targets import digest_of
from training.teachers.checkpoint import Weights, read_checkpoint, save_tensors

_TEXT: Final = "graph"
_FACTORS: Final = "factors"
_FORMAT: Final = 1
_KINDS: Final = {name: kind for name, kind in vars(g).items() if isinstance(kind, type) and issubclass(kind, g.Node)}


@dataclass(frozen=True, slots=True, eq=False)
class Tuned:
    """``graph``: rewritten and equalised. ``plan``: its scales. ``factors`` (C,): what the output must be multiplied
    with for the checkpoint's head. ``started_from``: digest of that checkpoint
    (``tensors_digest``).
    """

    graph: g.Graph
    plan: Plan
    factors: g.Float32
    started_from: str

    def int8_model(self) -> bytes:
        """The file for the device.

        Raises ``ConversionError`` where the converter doesn't keep to the plan.
        """
        model = float_tflite(self.graph)
        made = quantise(model, plan_ranges(model, self.graph, self.plan))
        for name, found in read_plan(made, self.graph).items():
            wanted = self.plan[name]
            if found.zero_point != wanted.zero_point or not math.isclose(found.scale, wanted.scale, rel_tol=1e-5):
                raise ConversionError(f"{name} was fine-tuned with {wanted} and got {found}", "Fine-tune it again")
        return compact(made)


def tensors_digest(checkpoint: Weights) -> str:
    """Names a checkpoint by its tensors. Scalars count batches in the original training, and nothing else."""
    return digest_of({name: value for name, value in checkpoint.items() if value.ndim})


def write_tuned(path: Path, tuned: Tuned) -> None:
    """Whole or not at all."""
    arrays: Weights = {_FACTORS: tuned.factors}
    nodes = []
    for node in tuned.graph.nodes:
        plain: dict[str, Any] = {"kind": type(node).__name__}
        for field in fields(node):
            value = getattr(node, field.name)
            if isinstance(value, np.ndarray):
                arrays[f"{node.name}/{field.name}"] = value
            else:
                plain[field.name] = value
        nodes.append(plain)
    plan = {name: [params.scale, params.zero_point] for name, params in tuned.plan.items()}
    text = json.dumps({"format": _FORMAT, "started_from": tuned.started_from, "nodes": nodes, "plan": plan})
    save_tensors(path, arrays | {_TEXT: np.array(text)})


def read_tuned(path: Path) -> Tuned:
    """Raises ``UsageError`` where the file is missing, or is another one."""
    arrays = read_checkpoint(path)
    try:
        whole = json.loads(str(arrays[_TEXT]))
        if whole["format"] != _FORMAT:
            raise ValueError(f"format {whole['format']}")
        nodes = tuple(_node(plain, arrays) for plain in whole["nodes"])
        plan = {name: QuantParams(*params) for name, params in whole["plan"].items()}
        return Tuned(g.Graph(nodes), plan, np.asarray(arrays[_FACTORS], np.float32), str(whole["started_from"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{path} is no network fine-tuned for int8 ({error})", "Give weights.npz of a recipe of the kind quantise"
        ) from error


def _node(plain: dict[str, Any], arrays: Weights) -> g.Node:
    kind = _KINDS[plain["kind"]]
    found: dict[str, Any] = {}
    for field in fields(kind):
        value = plain.get(field.name)
        found[field.name] = arrays[f"{plain['name']}/{field.name}"] if value is None else _tuple(value)
    return kind(**found)


def _tuple(value: Any) -> Any:
    return tuple(_tuple(item) for item in value) if isinstance(value, list) else value
