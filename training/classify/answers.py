"""From what a model gives to what it tells: labels, new speakers, same or different.

Takes a function from features to a model's outputs, and the examples of a fold. Gives ``Answers``. Must hold: the float
model and its int8 file go through the very same code; thresholds and support vectors never see the test.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from edge.errors import UsageError
from edge.records import Float32
from training.classify.classical import Classical
from training.classify.examples import Example
from training.classify.fit import Labels

Outputs = Callable[[Float32], Float32]
"""Scaled features (n, ...) -> outputs (n, k): probabilities, or what a hidden layer says."""
Indices = npt.NDArray[np.int64]

SAME_OR_NOT: Final = ("different", "same")


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """``truth``, ``told``: class numbers ``(n,)``. ``owners``: whose example it was, for intervals."""

    labels: tuple[str, ...]
    truth: Labels
    told: Labels
    owners: tuple[str, ...]


def tell_labels(
    scores: Float32, truth: Labels, labels: Sequence[str], owners: Sequence[str], *, aspects: bool
) -> dict[str, Answers]:
    """The likeliest label; with ``aspects`` those of each half of two-word labels too, from summed probabilities."""
    found = {"": Answers(tuple(labels), truth, scores.argmax(axis=1), tuple(owners))}
    if not aspects:
        return found
    for place, aspect in enumerate(("gender", "emotion")):
        halves = [label.split(" ")[place] for label in labels]
        names = tuple(sorted(set(halves)))
        member = np.array([[half == name for name in names] for half in halves], np.float32)
        which = member.argmax(axis=1)
        found[aspect] = Answers(names, which[truth], (scores @ member).argmax(axis=1), tuple(owners))
    return found


def transfer(
    outputs: Outputs, x: Float32, examples: Sequence[Example], plan: Sequence[tuple[Indices, Indices]], seed: int
) -> Answers:
    """New speakers by support vectors on a hidden layer. ``plan``: per speaker the segments that he is enrolled with
    and the ones that are told.
    """
    names = tuple(examples[enrol[0]].speaker for enrol, _ in plan)
    enrolled, tested = (np.concatenate([side[k] for side in plan]) for k in (0, 1))
    y, truth = (np.concatenate([np.full(len(side[k]), n) for n, side in enumerate(plan)]) for k in (0, 1))
    seen, asked = outputs(x[enrolled]), outputs(x[tested])
    mean, scale = seen.mean(axis=0), np.maximum(seen.std(axis=0), 1e-3)
    machine = Classical("svm", len(plan), seed)
    machine.fit((seen - mean) / scale, y)
    told = machine.scores((asked - mean) / scale).argmax(axis=1)
    return Answers(names, truth, told, tuple(names[n] for n in truth))


def transfer_plan(
    examples: Sequence[Example], speakers: Sequence[str], enrol: int, *, apart: bool, seed: int
) -> list[tuple[Indices, Indices]]:
    """Per new speaker: ``enrol`` segments and the rest. ``apart``: the rest of recordings that none of them is from."""
    rng = np.random.default_rng(seed)
    plan = []
    for name in speakers:
        own = np.array([k for k, one in enumerate(examples) if one.speaker == name and not one.change])
        own = own[np.argsort([examples[k].path for k in own], kind="stable")] if apart else rng.permutation(own)
        used = {examples[k].path for k in own[:enrol]}
        rest = [k for k in own[enrol:] if not (apart and examples[k].path in used)]
        plan.append((own[:enrol], np.array(rest, np.int64)))
    return plan


def pairs(examples: Sequence[Example], places: Indices, seed: int) -> tuple[Indices, npt.NDArray[np.bool_]]:
    """Trials ``(n, 2)`` and whether each is of one person: every segment once against another recording of its
    speaker, and once against somebody else, of the same set where there is one.
    """
    rng = np.random.default_rng(seed)
    found: list[tuple[int, int]] = []
    same: list[bool] = []
    for place in places:
        one = examples[place]
        others = [k for k in places if examples[k].path != one.path]
        own = [k for k in others if examples[k].speaker == one.speaker]
        strangers = [k for k in others if examples[k].speaker != one.speaker]
        strangers = [k for k in strangers if examples[k].set == one.set] or strangers
        for partners, genuine in ((own, True), (strangers, False)):
            if partners:
                found.append((int(place), int(partners[rng.integers(len(partners))])))
                same.append(genuine)
    return np.array(found, np.int64).reshape(-1, 2), np.array(same)


def verify(
    outputs: Outputs, x: Float32, examples: Sequence[Example], sides: tuple[Indices, Indices], seed: int
) -> Answers:
    """Same person or not, by the cosine of two outputs. ``sides``: who gives the threshold, and who is told."""
    judge, test = sides
    cosine, same = _cosines(outputs, x, examples, judge, seed)
    if not same.any() or same.all():
        raise UsageError(
            "Those who give the threshold have no two recordings of a person, or are a single one",
            "Give more recordings of each speaker.",
        )
    threshold = best_threshold(cosine, same)
    cosine, same = _cosines(outputs, x, examples, test, seed)
    trials, _ = pairs(examples, test, seed)
    owners = tuple(examples[k].speaker for k in trials[:, 0])
    return Answers(SAME_OR_NOT, same.astype(np.int64), (cosine >= threshold).astype(np.int64), owners)


def _cosines(
    outputs: Outputs, x: Float32, examples: Sequence[Example], places: Indices, seed: int
) -> tuple[Float32, npt.NDArray[np.bool_]]:
    trials, same = pairs(examples, places, seed)
    used, where = np.unique(trials, return_inverse=True)
    vectors = outputs(x[used])
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    one, other = where.reshape(trials.shape).T
    return np.einsum("nd,nd->n", vectors[one], vectors[other]), same


def best_threshold(cosine: Float32, same: npt.NDArray[np.bool_]) -> float:
    """The lowest cosine from which on same is told, with the most recall on both sides."""
    candidates = np.unique(cosine)
    balance = [(cosine[same] >= c).mean() + (cosine[~same] < c).mean() for c in candidates]
    return float(candidates[int(np.argmax(balance))])


def verify_one(x: Float32, examples: Sequence[Example], learn: Indices, test: Indices, seed: int) -> Answers:
    """A machine per person of the test: his own segments against others', then told for segments of both kinds.

    Where a person was learnt from, his segments there are his enrolment; where not, half of his recordings are.
    """
    rng = np.random.default_rng(seed)
    speaker = np.array([one.speaker for one in examples])
    truth: list[int] = []
    told: list[int] = []
    owners: list[str] = []
    for name in np.unique(speaker[test]):
        own, tested = learn[speaker[learn] == name], test[speaker[test] == name]
        if not len(own):
            recordings = sorted({examples[k].path for k in tested})
            enrolled = set(recordings[: len(recordings) // 2])
            own = np.array([k for k in tested if examples[k].path in enrolled], np.int64)
            tested = np.array([k for k in tested if examples[k].path not in enrolled], np.int64)
        strangers = test[speaker[test] != name]
        if not len(own) or not len(tested) or not len(strangers):
            continue
        strangers = rng.permutation(strangers)[: len(tested)]
        others = learn[speaker[learn] != name]
        machine = Classical("svm", 2, seed)
        machine.fit(x[np.concatenate((own, others))], np.repeat([1, 0], (len(own), len(others))))
        asked = np.concatenate((tested, strangers))
        told += machine.scores(x[asked]).argmax(axis=1).tolist()
        truth += [1] * len(tested) + [0] * len(strangers)
        owners += [str(name)] * len(asked)
    return Answers(SAME_OR_NOT, np.array(truth, np.int64), np.array(told, np.int64), tuple(owners))
