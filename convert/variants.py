"""The files that one network is converted to, and how each is run.

Takes the bytes of a file, the head for its frame features and the ``FeatureSpec``. Gives an ``Encoder`` on a given
runtime. Must hold: all variants of a network share the head and the front-end, so that what differs is the file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from convert.encoder import Encoder, float_encoder, int8_encoder
from convert.graph import Float32
from convert.interpreter import Kind, float_interpreter
from edge.records import FeatureSpec
from edge.runtime import Network

Variant = Literal["float32", "dynamic", "int8"]

VARIANTS: Final[dict[Variant, str]] = {
    "float32": "weights and activations float32",
    "dynamic": "weights int8, activations float32 between the operations",
    "int8": "weights, activations, input and output int8",
}
"""Name -> what it is, the most precise first."""


@dataclass(frozen=True, slots=True, eq=False)
class Converted:
    """One file with what belongs to it. ``kernel`` (2C, dim) and ``bias`` (dim,): the head in float32."""

    variant: Variant
    model: bytes
    kernel: Float32
    bias: Float32
    spec: FeatureSpec

    @property
    def name(self) -> str:
        """16 hex digits that stand for everything that its embeddings depend on, but the runtime."""
        digest = hashlib.sha256(json.dumps(self.spec.to_json(), sort_keys=True).encode())
        for part in (self.variant.encode(), self.model, self.kernel.tobytes(), self.bias.tobytes()):
            digest.update(hashlib.sha256(part).digest())
        return digest.hexdigest()[:16]

    def encoder(self, kind: Kind) -> Encoder:
        """Open it: int8 through the edge's runtime, the others through an interpreter for float files."""
        if self.variant == "int8":
            return int8_encoder(self.model, self.kernel, self.bias, self.spec, kind, self.name)
        return float_encoder(self.model, self.kernel, self.bias, self.spec, kind, self.name)

    def on_noise(self, kind: Kind) -> Callable[[], None]:
        """A function that runs the bare network once on a made-up window: what CPU time is measured with."""
        rng = np.random.default_rng(0)
        if self.variant == "int8":
            network = Network(self.model, prefer=kind)
            numbers = rng.integers(-100, 100, network.input_shape).astype(np.int8)

            def run_int8() -> None:
                network.run_int8(numbers)

            return run_int8
        interpreter = float_interpreter(self.model, kind=kind)
        entry, exit_ = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        values = rng.normal(0.0, 2.0, entry["shape"]).astype(np.float32)

        def run() -> None:
            interpreter.set_tensor(entry["index"], values)
            interpreter.invoke()
            interpreter.get_tensor(exit_["index"])

        return run
