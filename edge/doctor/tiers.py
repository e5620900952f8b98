"""Which bundle to take on this machine: what each installed one costs here, and how accurate its card says it is.

Takes a ``Case``; gives a finding with a line per bundle. Must hold: costs are measured on this machine, never read from
a card; accuracy is compared on trial lists that the cards share; a bundle that cannot be opened is a line, not the end.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from edge.audio import read_samples
from edge.bundle import Bundle, installed_bundles, open_bundle
from edge.decision import FAR_TARGETS
from edge.demo.stage import open_play
from edge.doctor.case import Case
from edge.doctor.findings import Finding
from edge.errors import AudioFileError, EarmarkError
from edge.records import SAMPLE_RATE, Float32
from edge.scoring import Calibration
from edge.settings import DEFAULT_BUNDLE, Settings, bundle_dirs

MOST_RTF: Final = 0.25
"""Largest share of one core that a bundle may need while somebody speaks: CPU seconds per second of audio. At this
limit the last window of three seconds keeps an answer waiting for 0.75 s, and segmenter, broker and the other programs
of a small board still find room."""

_SECONDS: Final = 3.0
"""An ordinary request. The shipped networks look at three seconds at a time, so that all of it is computed after the
end of speech, as the last window of any utterance is."""
_RUNS: Final = 5


@dataclass(frozen=True, slots=True)
class Cost:
    """``rtf``: CPU seconds of all threads per second of audio, median. ``compute_ms``: wall time from last sample to
    embedding, the least seen: what else runs meanwhile is not the bundle's doing.
    """

    rtf: float
    compute_ms: float


@dataclass(frozen=True, slots=True, eq=False)
class Tier:
    """One bundle. ``problem``: why it cannot be taken, empty where it can. ``mean_eer``: percent, None where its card
    has no figures on the shared lists.
    """

    name: str
    path: Path
    version: str = ""
    space: str = ""
    cost: Cost | None = None
    mean_eer: float | None = None
    problem: str = ""

    @property
    def fits(self) -> bool:
        """Whether it keeps below ``MOST_RTF``."""
        return self.cost is not None and self.cost.rtf <= MOST_RTF


def bundles(case: Case) -> Finding:
    """Measure every installed bundle and the one in use, and say which one to take."""
    settings = case.known
    names = installed_bundles(bundle_dirs(settings, case.state, case.environ))
    chosen = settings.models.bundle
    paths = names if chosen in names else names | {chosen: Path(chosen)}
    samples = ordinary_speech()
    opened: dict[str, Bundle] = {}
    problems: dict[str, str] = {}
    for name, path in paths.items():
        try:
            opened[name] = case.bundle() if name == chosen else open_bundle(path, replace(settings.models, packs=()))
            problems[name] = _refusal(opened[name], settings)
        except EarmarkError as error:
            problems[name] = error.cause
    means, lists = mean_eers({name: one.card for name, one in opened.items()})
    tiers = [
        Tier(
            name,
            path,
            version=str(opened[name].card["version"]) if name in opened else "",
            space=opened[name].space if name in opened else "",
            cost=measure(opened[name], samples) if name in opened else None,
            mean_eer=means.get(name),
            problem=problems[name],
        )
        for name, path in paths.items()
    ]
    return judge(tiers, chosen, lists, settings.segment.hangover_ms)


def ordinary_speech() -> Float32:
    """Three seconds of a bundled recording, float32 ``(n,)``; of noise where that is missing: the cost is the same."""
    try:
        samples = read_samples(open_play().actors[0].clips[0])
    except (OSError, ValueError, KeyError, AudioFileError):
        samples = np.random.default_rng(0).normal(0, 0.05, SAMPLE_RATE).astype(np.float32)
    return np.resize(samples, round(_SECONDS * SAMPLE_RATE))


def measure(bundle: Bundle, samples: Float32, runs: int = _RUNS) -> Cost:
    """Cost of embedding ``samples`` in portions of 100 ms, as the device does, after one run to warm up."""
    found = []
    for _ in range(runs + 1):
        begun = time.process_time()
        stream = bundle.stream()
        for start in range(0, len(samples), SAMPLE_RATE // 10):
            spoken = time.perf_counter()
            stream.push(samples[start : start + SAMPLE_RATE // 10])
        stream.finish()
        found.append((time.process_time() - begun, time.perf_counter() - spoken))
    cpu_seconds, wait_seconds = np.array(found[1:]).T
    return Cost(float(np.median(cpu_seconds)) * SAMPLE_RATE / len(samples), 1000 * float(wait_seconds.min()))


def mean_eers(cards: dict[str, Any]) -> tuple[dict[str, float], tuple[str, ...]]:
    """Mean equal error rate (percent) by name, over the trial lists of the default bundle that all others also have.

    A card with no figures on any of them gets none. Also gives the names of those lists.
    """
    figures = {name: (card.get("figures") or {}).get("lists") or {} for name, card in cards.items()}
    figures = {name: rows for name, rows in figures.items() if rows}
    first = DEFAULT_BUNDLE if DEFAULT_BUNDLE in figures else next(iter(figures), "")
    shared = list(figures.get(first, ()))
    compared = {name: rows for name, rows in figures.items() if set(rows) & set(shared)}
    for rows in compared.values():
        shared = [one for one in shared if one in rows]
    means = {name: [rows[one]["eer"] for one in shared] for name, rows in compared.items()}
    return {name: float(np.mean(values)) for name, values in means.items() if values}, tuple(shared)


def _refusal(opened: Bundle, settings: Settings) -> str:
    """Why a bundle that opens could not decide under these settings; empty where it can."""
    calibration = Calibration.from_json(opened.calibration)
    profile = settings.decide.profile
    return "" if calibration.supports(FAR_TARGETS[profile]) else f"it does not support the profile {profile}"


def recommend(tiers: Sequence[Tier]) -> Tier | None:
    """The most accurate of those that keep up; the lightest where none does; None where none works at all."""
    usable = [tier for tier in tiers if tier.cost is not None and not tier.problem]
    keeping_up = [tier for tier in usable if tier.fits]
    if keeping_up:
        return min(keeping_up, key=lambda tier: (_or_inf(tier.mean_eer), _rtf(tier)))
    return min(usable, key=_rtf, default=None)


def judge(tiers: Sequence[Tier], chosen: str, lists: Sequence[str], hangover_ms: int) -> Finding:
    """The finding. ``chosen``: name of the bundle in use; ``lists``: what the mean error rates are over."""
    best = recommend(tiers)
    used = next(tier for tier in tiers if tier.name == chosen)
    facts = {
        "recommended": best.name if best else None,
        "in_use": chosen,
        "most_rtf": MOST_RTF,
        "hangover_ms": hangover_ms,
        "lists": list(lists),
        "bundles": [_to_json(tier, hangover_ms) for tier in tiers],
    }
    lines = tuple(_line(tier, hangover_ms) for tier in tiers)
    if best is None:
        remedy = "Install one again, or see the checks bundle and runtime."
        return Finding("bundles", "fail", "No bundle can be used here.", remedy, facts, lines)
    limit = f"{100 * MOST_RTF:.0f} % of one core"
    if not best.fits:
        said = f"No bundle keeps below {limit}; {best.name} comes nearest with {100 * _rtf(best):.0f} %."
        remedy = "Take a faster board, or stop what else runs here." + (_switch(best, used) if best is not used else "")
        return Finding("bundles", "warn", said, remedy, facts, lines)
    errors = "" if best.mean_eer is None else f" (mean EER {best.mean_eer:.1f} % on {_count(lists)})"
    said = f"Take {best.name}: the most accurate{errors} of those that need at most {limit}."
    if best is used:
        return Finding("bundles", "ok", said, "", facts, lines)
    working = used.fits and not used.problem
    return Finding(
        "bundles", "ok" if working else "warn", f"{said} In use is {chosen}.", _switch(best, used).strip(), facts, lines
    )


def _switch(best: Tier, used: Tier) -> str:
    kept = bool(best.space) and best.space == used.space
    consequence = "people are named less often until they enrol again" if kept else "people must enrol again"
    return f" Set models.bundle: {best.name} ({consequence})."


def _count(lists: Sequence[str]) -> str:
    return "1 trial list" if len(lists) == 1 else f"{len(lists)} trial lists"


def _rtf(tier: Tier) -> float:
    return tier.cost.rtf if tier.cost else float("inf")


def _or_inf(value: float | None) -> float:
    return float("inf") if value is None else value


def _line(tier: Tier, hangover_ms: int) -> str:
    if tier.cost is None:
        return f"{tier.name}: cannot be used, {tier.problem}"
    errors = "no figures to compare" if tier.mean_eer is None else f"mean EER {tier.mean_eer:.1f} %"
    share, wait_ms = 100 * tier.cost.rtf, hangover_ms + tier.cost.compute_ms
    said = f"{tier.name}: {share:.1f} % of one core, answer {wait_ms:.0f} ms after the end of speech, {errors}"
    return said + (f"; {tier.problem}" if tier.problem else "")


def _to_json(tier: Tier, hangover_ms: int) -> dict[str, Any]:
    cost = tier.cost
    return {
        "name": tier.name,
        "version": tier.version,
        "path": str(tier.path),
        "space": tier.space or None,
        "rtf": round(cost.rtf, 4) if cost else None,
        "cpu_ms_per_s": round(1000 * cost.rtf, 2) if cost else None,
        "compute_ms": round(cost.compute_ms, 1) if cost else None,
        "answer_ms": round(hangover_ms + cost.compute_ms, 1) if cost else None,
        "mean_eer": None if tier.mean_eer is None else round(tier.mean_eer, 3),
        "fits": tier.fits,
        "problem": tier.problem or None,
    }
