"""Puts a session compensation into the head of a bundle.

Takes a bundle's folder, labelled training speech and a choice of shrinkages. Gives the same bundle with ``centre`` and
``transform`` in its head and its cohort made anew. Must hold: what is learnt is learnt on the uncompensated embeddings,
also where the bundle had a compensation before; calibration, figures and space, which belong to the old embeddings, go;
the bundle is replaced in one step.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from convert import cohort
from convert.bundle_folder import half, halved, npy, npz, write_bundle
from convert.encoder import int8_encoder
from edge.bundle.card import encoder_hash
from edge.bundle.files import load_npz, read_bundle
from edge.errors import UsageError
from edge.runtime import Network, Preference
from training.compensation import SHRINKAGES, Choice, Compensation, Voices, choose, to_json
from training.corpus import Recording
from training.embeddings import Embedder, EmbeddingCache, Progress
from training.material import DOMAINS
from training.pairs import Plan, draw
from training.trials import Audio

Say = Callable[[str], None]
_COMPENSATION: Final = ("centre", "transform")


def voices_of(embedder: Embedder, recordings: Sequence[Recording], progress: Progress) -> Voices:
    """What an encoder says about the takes that a calibration is fitted on, too."""
    takes = draw(recordings, Plan())
    heard = embedder.hear_takes([(take.side, take.gain_db) for take in takes], progress)
    return Voices(
        [np.stack([one.vector for one in found.embeddings]) for found in heard],
        np.array([f"{take.set}/{take.speaker}" for take in takes]),
        np.array([DOMAINS.get(take.set, take.set) for take in takes]),
        np.array([take.kind == "enrol" for take in takes]),
    )


def compensate(
    folder: Path,
    speech: Path,
    recordings: Sequence[Recording],
    *,
    like: Path | None = None,
    space: str = "",
    shrinkages: Sequence[float] = SHRINKAGES,
    cache: EmbeddingCache | None = None,
    prefer: Preference = "auto",
    progress: Progress,
    say: Say,
) -> Choice | None:
    """Learn a compensation, or take the one of the bundle ``like`` (None is returned then), and rewrite ``folder``.

    ``space``: name of the space that comes into being, for other bundles to share; with ``like`` it is that bundle's.
    Raises ``UsageError`` for a bundle without a network, or a ``like`` without a compensation or of other dimensions.
    """
    card, contents = read_bundle(folder)
    if card.encoder_file is None:
        raise UsageError(f"The bundle {folder} has no network", "Compensation needs a neural encoder.")
    arrays = load_npz(contents[card.head_file], card.head_file)
    plain = {name: value for name, value in arrays.items() if name not in _COMPENSATION}
    parts = contents[card.encoder_file], plain["kernel"], plain["bias"], card.spec, prefer
    # The name that the bundle has without a compensation: what is cached for that one serves here, and the reverse.
    name = encoder_hash(card.spec, card.files[card.encoder_file], hashlib.sha256(npz(halved(plain))).hexdigest())
    encoder = int8_encoder(*parts, name)
    runtime = Network(contents[card.encoder_file], prefer=prefer).runtime
    choice = None
    if like is None:
        embedder = Embedder(encoder, Audio(speech), cache=cache, runtime=runtime)
        choice = choose(voices_of(embedder, recordings, progress), shrinkages, say)
        found, made = choice.compensation, to_json(choice)
    else:
        found, made, space = _taken_from(like, card.dim)
    say("embedding the cohort")
    head = halved(plain | {"centre": found.centre, "transform": found.transform})
    transform = head["transform"].astype(np.float32)
    changed = int8_encoder(*parts, compensation=(found.centre, transform))
    rows = cohort.cohort(changed, speech, recordings, progress)
    files = {name: data for name, data in contents.items() if name != "card.json"}
    files[card.head_file] = npz(head)
    files[str(card.raw["cohort"]["file"])] = npy(half(rows))
    raw = {name: value for name, value in card.raw.items() if name not in {"files", "space"}}
    raw |= {"compensation": made, "calibration": {}, "figures": {}} | ({"space": space} if space else {})
    write_bundle(folder, raw, files)
    return choice


def _taken_from(like: Path, dim: int) -> tuple[Compensation, dict[str, Any], str]:
    card, contents = read_bundle(like)
    arrays = load_npz(contents[card.head_file], card.head_file)
    if card.dim != dim or any(name not in arrays for name in _COMPENSATION):
        raise UsageError(
            f"The bundle {like} has no compensation for {dim} dimensions", "Compensate that one first, or leave --like."
        )
    made = {"method": "the compensation of another bundle", "bundle": card.name, "encoder": card.encoder}
    return Compensation(arrays["centre"], arrays["transform"]), made, card.space
