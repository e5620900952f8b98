"""Run converted files in a process of its own: ``python -m convert.alone FOLDER``.

Takes a converted file, the runtime to use, and utterances or trial lists. Gives embeddings, CPU time and error rates.
Must hold: TensorFlow is not loaded there. Why: tflite-runtime and TensorFlow in one process share symbols of different
versions, and tflite-runtime then fails to load any file; and CPU time should be that of a process as bare as the
edge's. Parent and child pass each other ``job.json`` and ``job.npz``, ``result.json`` and ``result.npz`` in a temporary
folder; lines of progress come on standard output.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convert.errors import ConversionError
from convert.graph import Float32
from convert.interpreter import Kind
from convert.variants import Converted
from convert.windows import WINDOW_FRAMES
from edge.bundle import spec_from_json
from edge.errors import EarmarkError
from edge.runtime import installed

Arrays = dict[str, npt.NDArray[Any]]
Result = tuple[dict[str, Any], Arrays]

ROUNDS = 20
"""Windows timed; the median counts."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """An interpreter that can be used here. ``name``: with its version."""

    kind: Kind
    name: str


def runtimes() -> tuple[Runtime, ...]:
    """All interpreters that can be used here, the edge's first choice first. This process can't tell: it has
    TensorFlow.
    """
    found, _ = _run("Looking for runtimes", {"task": "runtimes"}, {})
    return tuple(Runtime(one["kind"], one["name"]) for one in found["runtimes"])


def embed_alone(file: Converted, runtime: Runtime, utterances: Sequence[Float32]) -> tuple[Float32, float]:
    """Embeddings (n, dim) of the utterances, and CPU milliseconds of the network per second of audio (one thread).

    Raises ``ConversionError`` with the other process's last words where it fails.
    """
    arrays: Arrays = {"samples": np.concatenate(utterances), "lengths": np.array([len(one) for one in utterances])}
    found, results = _run(f"{file.variant} on {runtime.name}", _job("embed", file, runtime), _with_file(file, arrays))
    return results["embeddings"], float(found["cpu_ms_per_s"])


def score_alone(  # noqa: PLR0917 - what is scored, where, with what
    file: Converted,
    runtime: Runtime,
    lists: Sequence[Path],
    speech: Path,
    cache: Path,
    say: Callable[[str], None],
) -> list[float]:
    """Equal error rate of each trial list, plain cosine, in percent. ``cache``: folder for embeddings.

    Raises ``ConversionError`` with the other process's last words where it fails.
    """
    what = f"{file.variant} on {runtime.name}"
    paths = {"lists": [str(path.absolute()) for path in lists], "speech": str(speech.absolute())}
    job = _job("score", file, runtime) | paths | {"runtime": runtime.name, "cache": str(cache.absolute())}
    found, _ = _run(what, job, _with_file(file, {}), lambda line: say(f"  {what}: {line}"))
    return [float(value) for value in found["eer"]]


def _job(task: str, file: Converted, runtime: Runtime) -> dict[str, Any]:
    return {"task": task, "variant": file.variant, "kind": runtime.kind, "spec": file.spec.to_json()}


def _with_file(file: Converted, arrays: Arrays) -> Arrays:
    return arrays | {"model": np.frombuffer(file.model, np.uint8), "kernel": file.kernel, "bias": file.bias}


def _run(what: str, job: Mapping[str, Any], arrays: Arrays, say: Callable[[str], None] | None = None) -> Result:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        np.savez(folder / "job.npz", **arrays)
        here = str(Path(__file__).resolve().parent.parent)
        paths = os.pathsep.join(p for p in (here, os.environ.get("PYTHONPATH", "")) if p)
        with (
            (folder / "words").open("w+", encoding="utf-8", errors="replace") as words,
            subprocess.Popen(
                [sys.executable, "-m", "convert.alone", name],
                env=os.environ | {"PYTHONPATH": paths},
                stdout=subprocess.PIPE,
                stderr=words,
                text=True,
            ) as child,
        ):
            assert child.stdout is not None
            for line in child.stdout:
                if say is not None:
                    say(line.rstrip())
            code = child.wait()
            words.seek(0)
            last = (words.read().strip() or f"exit code {code}").splitlines()[-1]
        if code:
            raise ConversionError(f"{what} failed in a process of its own: {last}")
        with np.load(folder / "result.npz") as found:
            return json.loads((folder / "result.json").read_text(encoding="utf-8")), dict(found)


def _runtimes(_: Mapping[str, Any], __: Arrays) -> Result:
    return {"runtimes": [{"kind": engine.kind, "name": engine.name} for engine in installed()]}, {}


def _file(job: Mapping[str, Any], arrays: Arrays) -> Converted:
    spec = spec_from_json(job["spec"])
    return Converted(job["variant"], arrays["model"].tobytes(), arrays["kernel"], arrays["bias"], spec)


def _embed(job: Mapping[str, Any], arrays: Arrays) -> Result:
    file = _file(job, arrays)
    encoder = file.encoder(job["kind"])
    utterances = np.split(arrays["samples"], np.cumsum(arrays["lengths"])[:-1])
    embeddings = np.stack([encoder.embed(samples) for samples in utterances])
    run = file.on_noise(job["kind"])
    run()
    times = []
    for _ in range(ROUNDS):
        before = time.process_time()
        run()
        times.append(time.process_time() - before)
    per_second = float(np.median(times)) * 1000 / (WINDOW_FRAMES / 100)
    return {"cpu_ms_per_s": per_second}, {"embeddings": embeddings}


def _score(job: Mapping[str, Any], arrays: Arrays) -> Result:
    from training import metrics
    from training.embeddings import Embedder, EmbeddingCache
    from training.evaluate import score_list
    from training.trials import Audio, read_list

    encoder = _file(job, arrays).encoder(job["kind"])
    cache = EmbeddingCache(Path(job["cache"]))
    embedder = Embedder(encoder, Audio(Path(job["speech"])), cache=cache, runtime=job["runtime"])
    errors = []
    for path in job["lists"]:
        scored = score_list(read_list(Path(path)), embedder, None)
        errors.append(100 * metrics.eer(scored.cosine, scored.target))
        print(f"{scored.name} {errors[-1]:.2f} % EER", flush=True)
    cache.close()
    return {"eer": errors}, {}


_TASKS: dict[str, Callable[[Mapping[str, Any], Arrays], Result]] = {
    "runtimes": _runtimes,
    "embed": _embed,
    "score": _score,
}


def _main(folder: Path) -> int:
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    try:
        with np.load(folder / "job.npz") as given:
            found, arrays = _TASKS[job["task"]](job, dict(given))
    except EarmarkError as error:
        print(error.sentence(), file=sys.stderr)
        return error.exit_code
    np.savez(folder / "result.npz", **arrays)
    (folder / "result.json").write_text(json.dumps(found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1])))
