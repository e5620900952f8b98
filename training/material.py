"""Turns takes that a bundle has heard into trials with their side information, ready for fitting.

Takes takes and pairs (``pairs``), what was heard (``embeddings``) and the bundle's cohort; gives
``calibration.Material``.

Must hold: a trial's features are what the device would compute for it; nobody meets himself in the cohort. The cohort
is made of training speakers, and so are these trials, but on the device nobody enrolled is in the cohort, and often
nobody who speaks like them into a microphone like theirs. So each trial comes twice: with each voice's own row of the
cohort left out, and (``unfamiliar``) with all rows of its domain left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from edge.records import Float32
from edge.scoring import calibration_features, cohort_cosine
from training.calibration import MOOD_SHARE, Material, Texts, balance
from training.embeddings import Heard
from training.pairs import Pairs, Take

DOMAINS: Final[Mapping[str, str]] = {
    "librispeech": "read",
    "vctk": "studio",
    "cmuarctic": "studio",
    "rhasspyvoice": "studio",
    "asc": "arabic words",
    "speechcommands": "english words",
}
"""Sets that count as one kind of recording: each domain has the same weight, whatever its size."""

OWN_ROW_COSINE: Final = 0.5
"""A cohort row is taken to be the training speaker whose mean it is closest to, if it is at least this close."""

MIN_HEARD_SECONDS: Final = 0.3
"""Takes in which the segmenter finds less speech never reach a decision on the device, nor do they enter here."""

Weights = np.ndarray[Any, np.dtype[np.float64]]


def assemble(takes: Sequence[Take], heard: Sequence[Heard], pairs: Pairs, cohort: Float32) -> Material:
    """Turn pairs of takes into trials; ``heard[i]`` belongs to ``takes[i]``."""
    speakers = np.array([f"{t.set}/{t.speaker}" for t in takes])
    sets = np.array([t.set for t in takes])
    domains = np.array([DOMAINS.get(t.set, t.set) for t in takes])
    usable = np.array([min(c.speech_seconds for c in one.circumstances) >= MIN_HEARD_SECONDS for one in heard])
    keep = usable[pairs.enrol] & usable[pairs.test]
    e, t, target = pairs.enrol[keep], pairs.test[keep], pairs.target[keep]
    raw = _impostors_of_the_same_gender_weigh_half(domains[e], target, pairs.same_gender[keep])
    moody = np.array([take.mood is not None for take in takes])[t]
    owners = row_owners(heard, speakers, cohort)
    domain_of = dict(zip(speakers.tolist(), domains.tolist(), strict=True))
    owner_domains = np.array([domain_of.get(name, "") for name in owners.tolist()], dtype=domains.dtype)
    variants = [(False, speakers, owners)]
    if len(cohort) and len(np.unique(domains)) > 1:
        variants.append((True, domains, owner_domains))
    vectors = np.stack([one.vector for one in heard])
    features = []
    for _, groups, of_row in variants:
        near = cohort_without(vectors.astype(np.float32), groups, cohort, of_row)
        features.append(_features(vectors, heard, near, e, t))
    count, copies = len(e), len(variants)
    domain = np.tile(domains[e], copies)
    trials = Material(
        features=np.concatenate(features),
        target=np.tile(target, copies),
        weights=balance(np.tile(raw, copies), np.tile(target, copies), domain),
        domains=domain,
        sets=np.tile(sets[e], copies),
        enrol_speaker=np.tile(speakers[e], copies),
        test_speaker=np.tile(speakers[t], copies),
        unfamiliar=np.repeat([unfamiliar for unfamiliar, _, _ in variants], count),
        moody=np.tile(moody, copies),
    )
    return trials.with_moods(MOOD_SHARE)


def unseen(takes: Sequence[Take], heard: Sequence[Heard], pairs: Pairs, cohort: Float32) -> dict[str, Material]:
    """Return, for each domain, the trials as they are with all rows of that domain taken out of the cohort."""
    domains = np.array([DOMAINS.get(t.set, t.set) for t in takes])
    found = np.unique(domains).tolist()
    if len(found) < 2:
        return {}
    owners = row_owners(heard, np.array([f"{t.set}/{t.speaker}" for t in takes]), cohort)
    domain_of = {f"{t.set}/{t.speaker}": DOMAINS.get(t.set, t.set) for t in takes}
    of_row = np.array([domain_of.get(name, "") for name in owners.tolist()])
    return {name: assemble(takes, heard, pairs, cohort[of_row != name]) for name in found}


def _features(vectors: Weights, heard: Sequence[Heard], near: Float32, e: Any, t: Any) -> Weights:
    seconds = np.array([one.speech_seconds for one in heard], np.float32)
    return calibration_features(
        np.einsum("nd,nd->n", vectors[e], vectors[t]).astype(np.float32),
        test_seconds=seconds[t],
        enrol_seconds=seconds[e],
        enrol_clips=np.array([len(one.embeddings) for one in heard], np.float32)[e],
        spread=np.array([_spread(one) for one in heard], np.float32)[e],
        snr_db=np.array([one.snr_db for one in heard], np.float32)[t],
        cohort_test=near[t],
        cohort_enrol=near[e],
    )


def _spread(heard: Heard) -> float:
    return float(np.mean([e.vector @ heard.vector for e in heard.embeddings]))


def _impostors_of_the_same_gender_weigh_half(domains: Texts, target: Any, same_gender: Any) -> Weights:
    """Of each domain's impostor weight: those who sound alike are the strangers that matter."""
    raw = np.ones(len(target))
    for name in np.unique(domains):
        for same in (True, False):
            rows = (domains == name) & ~target & (same_gender == same)
            raw[rows] = 1.0 / max(int(rows.sum()), 1)
    return raw


def row_owners(heard: Sequence[Heard], speakers: Texts, cohort: Float32) -> Texts:
    """Return which of ``speakers`` (one per take) each cohort row is, or "" where it is none of them."""
    if not len(cohort):
        return np.zeros(0, dtype=speakers.dtype)
    names = np.unique(speakers)
    vectors = np.stack([one.vector for one in heard])
    centres = np.stack([vectors[speakers == name].mean(axis=0) for name in names])
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    alike = cohort @ centres.T
    return np.where(alike.max(axis=1) >= OWN_ROW_COSINE, names[alike.argmax(axis=1)], "")


def cohort_without(vectors: Float32, groups: Texts, cohort: Float32, row_groups: Texts) -> Float32:
    """Return each vector's cohort cosine with the rows of its own group left out, float32 ``(n,)``.

    ``groups``: of each vector. ``row_groups``: of each cohort row.
    """
    near = np.zeros(len(vectors), np.float32)
    for name in np.unique(groups):
        rows = groups == name
        near[rows] = cohort_cosine(vectors[rows], cohort[row_groups != name])
    return near
