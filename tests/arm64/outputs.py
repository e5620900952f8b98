"""What every network that is shipped gives for bundled clips, here: ``python outputs.py OUT.npz [INPUTS.npz]``.

Runs with an installed Earmark and nothing else, on any machine. With the file of another machine, the networks are also
given that machine's very inputs, so that kernels are compared and not front-ends.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edge.audio import read_samples
from edge.bundle import open_bundle
from edge.challenge import open_recogniser
from edge.demo.stage import ASSETS
from edge.runtime import Network
from edge.settings import Models

CLIPS = ("ada-enrol-1", "ben-enrol-1", "clip-5-stranger", "clip-7-stranger")
MOST_WINDOWS = 4
"""So many different windows go through the slow reference kernels, which emulation makes slower still."""
BUNDLES = ("compact", "accurate")

Arrays = dict[str, Any]


def watched(network: Network) -> list[np.ndarray]:
    """The int8 inputs that the network is given from now on."""
    seen: list[np.ndarray] = []
    run = network._run

    def recording(values: Any, indices: Any) -> Any:
        seen.append(np.array(values).reshape(network.input_shape))
        return run(values, indices)

    network._run = recording  # type: ignore[method-assign]
    return seen


def every_output(network: Network, inputs: np.ndarray) -> list[np.ndarray]:
    """Every output of the network, int8, for each input."""
    told = [network._run(one, network._indices) for one in inputs]
    return [np.stack(parts) for parts in zip(*told, strict=True)]


def spread(windows: np.ndarray) -> np.ndarray:
    """A few windows out of all."""
    return windows[np.linspace(0, len(windows) - 1, min(len(windows), MOST_WINDOWS)).astype(int)]


def measure(
    found: Arrays, name: str, network: Network, model: bytes, listen: Callable[[Any], Arrays], given: Arrays
) -> None:
    """Add what ``network`` gives: for its own inputs (default kernels), and for ``given`` ones with both kernels."""
    seen = watched(network)
    for clip in CLIPS:
        for key, value in listen(read_samples(ASSETS / f"{clip}.ogg")).items():
            found[f"{name}/values/{key}/{clip}"] = np.asarray(value)
    own = spread(np.unique(np.stack(seen), axis=0))
    found[f"{name}/inputs"] = own
    inputs = given.get(f"{name}/inputs", own)
    for kernels in ("reference", "default"):
        engine = Network(model, reference=kernels == "reference")
        for number, output in enumerate(every_output(engine, inputs)):
            found[f"{name}/{kernels}/{number}"] = output


def main(out: Path, given: Arrays) -> None:
    found: Arrays = {}
    for name in BUNDLES:
        bundle = open_bundle(name, Models(packs=("gender",)))
        assert bundle.network is not None

        def listen(samples: Any, bundle: Any = bundle) -> Arrays:
            embedding = bundle.analyse(samples)
            return {
                "embedding": embedding.vector,
                "speech gate": embedding.speech_probability,
                "gender": list((bundle.gender(samples) or {}).values()),
            }

        model = (bundle.path / bundle.card["encoder"]["file"]).read_bytes()
        measure(found, name, bundle.network, model, listen, given)
        found["runtime"] = np.asarray(bundle.runtime)
    digits = open_recogniser("en")
    model = next(Path(sys.modules["edge.challenge"].__file__ or "").parent.glob("models/en/*.tflite")).read_bytes()
    measure(found, "digits", digits.network, model, lambda s: {"log-probabilities": digits.log_probabilities(s)}, given)
    np.savez_compressed(out, **found)


if __name__ == "__main__":
    main(Path(sys.argv[1]), dict(np.load(sys.argv[2])) if len(sys.argv) > 2 else {})
