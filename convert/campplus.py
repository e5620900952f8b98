"""From a trained network to a bundle: the passes, in their order.

Takes a checkpoint (CAM++ as it is, narrower, or a network of another family, as ``earmark train`` makes them), a folder
of speech and a ``Recipe``.
Gives a bundle folder, the other variants beside it where they are wanted, and a report. Must hold: with the same recipe
and speech the same int8 file comes out; nothing is written when a measurement is worse than it may be.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from convert import cohort, eer, parity, speech_head
from convert.bundle_folder import half, halved, npy, npz, require_room, write_bundle
from convert.clips import load, read_clips
from convert.compact import compact
from convert.encoder import int8_encoder
from convert.errors import ConversionError
from convert.float_tflite import dynamic_tflite, float_tflite
from convert.graph import Float32, Graph
from convert.measure import Wishes, measure, write_variants
from convert.networks import CAMPPLUS, read_network
from convert.observe import channel_peaks
from convert.passes.context import chunked_context
from convert.passes.equalise import equalise, scale_output
from convert.passes.fold import fold
from convert.passes.preactivation import depthwise_preactivations
from convert.qat.file import Tuned, read_tuned, tensors_digest
from convert.quantise import quantise
from convert.ranges import activation_ranges, best_range, extremes
from convert.recipe import Recipe
from convert.taps import with_middle
from convert.variants import Converted, Variant
from convert.windows import WINDOW_FRAMES, window
from training.corpus import read_manifest
from training.teachers.campp import Head

Say = Callable[[str], None]
"""Takes one line of progress."""

ENCODER_FILE = "encoder.int8.tflite"
HEAD_FILE = "head.npz"
COHORT_FILE = "cohort.npy"


@dataclass(frozen=True, slots=True, eq=False)
class Trunk:
    """The converted network: float and int8 file, and the head that fits the equalised frame features.

    ``dynamic_model``: None where it was not asked for.
    """

    float_model: bytes
    int8_model: bytes
    kernel: Float32
    bias: Float32
    dynamic_model: bytes | None = None

    def files(self, recipe: Recipe) -> dict[Variant, Converted]:
        """Every variant there is, the most precise first."""
        models: dict[Variant, bytes | None] = {
            "float32": self.float_model,
            "dynamic": self.dynamic_model,
            "int8": self.int8_model,
        }
        return {
            name: Converted(name, model, self.kernel, self.bias, recipe.spec)
            for name, model in models.items()
            if model is not None
        }


def _every(say: Say, what: str, step: int = 25) -> Callable[[int, int], None]:
    """Progress by number, said every ``step`` items."""

    def progress(done: int, total: int) -> None:
        if done % step == 0 or done == total:
            say(f"  {what} {done}/{total}")

    return progress


def calibration_windows(recipe: Recipe, beside: Path, speech: Path) -> tuple[Float32, set[str]]:
    """Windows (n, frames, bands) of the recipe's clips, and the recordings they come from.

    Raises ``ConversionError`` where the list is not the one that the recipe pins.
    """
    path = beside / recipe.calibration
    if hashlib.sha256(path.read_bytes()).hexdigest() != recipe.calibration_sha256:
        raise ConversionError(f"{path} is not the list that the recipe pins", "Restore it, or pin the new one")
    clips = read_clips(path)
    windows = [window(recipe.spec, load(speech, clip, recipe.seed + place)) for place, clip in enumerate(clips)]
    return np.stack(windows), {clip.path for clip in clips}


def prepare(graph: Graph) -> Graph:
    """The rewrites that need no data: fold, depthwise pre-activations, context gates on chunks."""
    return chunked_context(depthwise_preactivations(fold(graph)))


class Choices(Protocol):
    """How to quantise: see ``convert.recipe.Recipe``."""

    @property
    def equalise_share(self) -> float | None:
        """None leaves the pass out."""

    @property
    def ranges(self) -> Literal["least_squares", "extremes"]:
        """Which range an activation gets."""


def rewrite(graph: Graph, windows: Float32, choices: Choices, say: Say) -> tuple[Graph, Float32]:
    """All passes: the graph that is quantised, and the factors (C,) that its output must be multiplied with.

    Every second window shows the channels and the others the ranges (``quantised``): all windows for both take twice
    as long and gain nothing that could be measured.
    """
    say("rewriting the graph")
    graph = prepare(graph)
    if choices.equalise_share is None:
        return graph, np.ones(graph.output.shape[-1], np.float32)
    say("observing the channels")
    return equalise(graph, channel_peaks(graph, windows[::2], _every(say, "window")), choices.equalise_share)


def quantised(model: bytes, windows: Float32, choices: Choices, say: Say) -> bytes:
    """A float file in int8, with ranges from the other windows; names of tensors as the converter gives them."""
    say("choosing the activation ranges")
    choose = best_range if choices.ranges == "least_squares" else extremes
    ranges = activation_ranges(model, windows[1::2], _every(say, "window"), choose)
    say("quantising")
    return quantise(model, ranges)


def scaled_head(head: Head, factors: Float32) -> Head:
    """The head for frame features that were divided by ``factors``."""
    return Head((head.kernel * np.concatenate([factors, factors])[:, None]).astype(np.float32), head.bias)


def convert_trunk(  # noqa: PLR0917 - what is converted, with what, and how
    graph: Graph,
    head: Head,
    windows: Float32,
    recipe: Recipe,
    say: Say,
    dynamic: bool = False,
    tuned: Tuned | None = None,
) -> Trunk:
    """Rewrite, equalise, observe and quantise a trunk. ``dynamic``: make the file with int8 weights alone too.
    ``tuned``: the int8 file comes of this network; the others stay what the checkpoint gives.
    """
    graph, factors = rewrite(graph, windows, recipe, say)
    if tuned is not None:
        # One head fits all files.
        graph, factors = scale_output(graph, tuned.factors / factors), tuned.factors
    say("writing the float file")
    model = float_tflite(graph)
    if tuned is None:
        small = quantised(model, windows, recipe, say)
    else:
        say("quantising the fine-tuned network")
        small = tuned.int8_model()
    small = compact(with_middle(small) if recipe.teacher == CAMPPLUS else small)
    light = None
    if dynamic:
        say("writing the dynamic-range file")
        light = compact(dynamic_tflite(graph))
    fitted = scaled_head(head, factors)
    # What is measured is what the bundle keeps.
    kernel = half(fitted.kernel).astype(np.float32)
    return Trunk(model, small, kernel, fitted.bias, light)


def _network(recipe: Recipe, checkpoint: Path, tuned: Tuned | None) -> tuple[Graph, Head]:
    graph, head, weights = read_network(recipe, checkpoint)
    if tuned is not None and tuned.started_from != tensors_digest(weights):
        raise ConversionError(
            f"The fine-tuned network did not come of {checkpoint}", "Give the checkpoint that fine-tuning began with"
        )
    return graph, head


@dataclass(frozen=True, slots=True)
class Sources:
    """Where things are. ``beside``: folder of the recipe's other files. ``speech``: folder with ``manifest.tsv``.
    ``tuned``: what ``earmark train`` made of the checkpoint for int8, where it did.
    """

    beside: Path
    checkpoint: Path
    speech: Path
    tuned: Path | None = None


def build(recipe: Recipe, sources: Sources, out: Path, say: Say, wishes: Wishes | None = None) -> dict[str, Any]:
    """Make the bundle in the folder ``out`` and return its report.

    Raises ``UsageError`` for files that cannot be used and
    ``ConversionError`` where the int8 file is too far from the float one, or makes more errors than it may.
    """
    wishes = wishes or Wishes()
    speech = sources.speech
    require_room(out)
    recordings = read_manifest(speech)
    material = eer.Material(eer.read_lists(wishes.trials, speech), wishes.trials, speech, wishes.cache)
    say("reading the checkpoint")
    tuned = None if sources.tuned is None else read_tuned(sources.tuned)
    graph, head = _network(recipe, sources.checkpoint, tuned)
    say("reading the calibration clips")
    windows, used = calibration_windows(recipe, sources.beside, speech)
    trunk = convert_trunk(graph, head, windows, recipe, say, wishes.variants, tuned)
    utterances = parity.held_out_speech(speech, recordings, used, recipe.parity_utterances, recipe.seed)
    variants = trunk.files(recipe)
    measured = measure(variants, utterances, material, wishes, say)

    encoder = int8_encoder(trunk.int8_model, trunk.kernel, trunk.bias, recipe.spec, "auto")
    say("teaching the speech head")
    heard = speech_head.train(encoder, speech, recordings, recipe.seed, _every_sound(say))
    say("embedding the cohort")
    others = cohort.cohort(encoder, speech, recordings, _every(say, "speaker", 50))
    arrays = {
        "kernel": trunk.kernel,
        "bias": trunk.bias,
        "speech_kernel": heard.kernel,
        "speech_bias": np.array(heard.bias, np.float32),
    }
    files = {
        ENCODER_FILE: trunk.int8_model,
        HEAD_FILE: npz(halved(arrays)),
        COHORT_FILE: npy(half(others)),
    }
    write_bundle(out, _card(recipe, sources.beside, len(others), trunk), files)
    return {
        "recipe": recipe.to_json(),
        "int8_from": "the checkpoint" if sources.tuned is None else f"{sources.tuned.name}, fine-tuned for int8",
        "compared_with": "the checkpoint in float32",
        **measured,
        "speech_head": heard.report,
        "bytes": {name: len(data) for name, data in files.items()},
        "cohort_speakers": len(others),
        "variants": write_variants(out, variants) if wishes.variants else [],
    }


def _every_sound(say: Say) -> Callable[[int, str], None]:
    def progress(done: int, group: str) -> None:
        if done % 200 == 0:
            say(f"  sound {done} ({group})")

    return progress


def _card(recipe: Recipe, beside: Path, speakers: int, trunk: Trunk) -> dict[str, Any]:
    texts = json.loads((beside / recipe.card).read_text(encoding="utf-8"))
    return {
        "schema": 1,
        "name": recipe.name,
        **texts,
        "features": recipe.spec.to_json(),
        "encoder": {
            "file": ENCODER_FILE,
            "window_frames": WINDOW_FRAMES,
            "head": HEAD_FILE,
            "embedding_dim": int(trunk.kernel.shape[1]),
        },
        "cohort": {"file": COHORT_FILE, "speakers": speakers},
        "calibration": {},
        "figures": {},
    }
