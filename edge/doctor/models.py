"""Runtime and bundle: whether voices can be compared at all, and rightly.

Takes a ``Case``; gives findings. Must hold: the self-test uses recordings of people, since a network that computes
nonsense on this processor still gives finite numbers.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Final

import numpy as np

from edge.audio import read_samples
from edge.bundle import Bundle, enrolment_bundle
from edge.decision import FAR_TARGETS
from edge.demo.stage import ASSETS, Actor, open_play
from edge.doctor.case import Case
from edge.doctor.findings import Finding, fault
from edge.errors import AudioFileError, RuntimeMissingError
from edge.records import Float32
from edge.runtime.interpreters import choose
from edge.scoring import Calibration
from edge.settings import bundle_dirs

_CLIPS: Final = 2
"""Clips per person in the self-test."""
_AGAIN: Final = "Install it again: pip install --force-reinstall earmark"


def runtime(case: Case) -> Finding:
    """Whether an interpreter can be imported and fits numpy."""
    facts = {"numpy": np.__version__}
    try:
        engine = choose()
    except RuntimeMissingError as error:
        return fault("runtime", error, facts=facts)
    return Finding(
        "runtime", "ok", f"{engine.name} with numpy {np.__version__}.", facts=facts | {"runtime": engine.name}
    )


def bundle(case: Case) -> Finding:
    """Whether the bundle of the settings opens, and can decide as strictly as they ask."""
    opened = case.bundle()
    enrolment_bundle(case.known, bundle_dirs(case.known, case.state, case.environ))  # raises what is wrong with it
    calibration = Calibration.from_json(opened.calibration)
    name = f"{opened.name} {opened.card['version']}"
    facts = {
        "name": opened.name,
        "version": opened.card["version"],
        "path": str(opened.path),
        "encoder": opened.encoder,
        "space": opened.space or None,
        "trials": calibration.trials,
    }
    profile = case.known.decide.profile
    if not calibration.supports(FAR_TARGETS[profile]):
        others = [one for one, far in FAR_TARGETS.items() if calibration.supports(far)]
        lenient = f"Set decide.profile: {others[-1]}, or name" if others else "Name"
        return Finding(
            "bundle",
            "fail",
            f"The bundle {name} does not support the profile {profile}: too few trials stand behind it.",
            f"{lenient} another bundle in models.bundle.",
            facts,
        )
    point = calibration.point(FAR_TARGETS[profile])
    sure = ""
    if point is not None and point.evidence is not None:
        facts["far_percent"] = round(100 * point.far, 4)
        facts["far_high_percent"] = round(100 * point.evidence.far_high_voices, 4)
        facts["voices"] = point.evidence.voices
        sure = (
            f" {profile.capitalize()} lets {100 * point.far:g} % of strangers pass, "
            f"with 95 % confidence at most {100 * point.evidence.far_high_voices:.2g} %."
        )
    return Finding("bundle", "ok", f"The bundle {name} opens; its files are as they were made.{sure}", facts=facts)


def voices(case: Case) -> Finding:
    """Whether clips of one person come out nearer to each other than clips of two people."""
    try:
        actors = open_play().actors[:2]
        clips = [[read_samples(path) for path in actor.clips[:_CLIPS]] for actor in actors]
    except (OSError, ValueError, KeyError, AudioFileError) as error:
        return Finding(
            "voices", "warn", f"The bundled recordings in {ASSETS} cannot be used ({type(error).__name__}).", _AGAIN
        )
    return judge_voices(case.bundle(), actors, clips)


def judge_voices(opened: Bundle, actors: tuple[Actor, ...], clips: list[list[Float32]]) -> Finding:
    """``clips``: samples, two of each of the two ``actors``."""
    vectors = np.stack([[opened.embed(samples) for samples in one] for one in clips])
    norms = np.linalg.norm(vectors, axis=-1)
    if not np.isfinite(vectors).all() or np.abs(norms - 1).max() > 1e-3:
        return Finding("voices", "fail", "The network gives values that are no voiceprints.", _reinstall(opened))
    same = min(float(one[0] @ one[1]) for one in vectors)
    different = float(np.max(vectors[0] @ vectors[1].T))
    facts = {"same_person": round(same, 3), "different_people": round(different, 3)}
    names = " and ".join(actor.name for actor in actors)
    if same <= different:
        return Finding(
            "voices",
            "fail",
            f"The network does not tell {names} apart: same voice {same:.2f}, different voices {different:.2f}.",
            _reinstall(opened),
            facts,
        )
    return Finding(
        "voices",
        "ok",
        f"{names} are told apart: the same voice scores {same:.2f} at least, different ones {different:.2f} at most.",
        facts=facts,
    )


def _reinstall(opened: Bundle) -> str:
    """Reference kernels come out the same on every machine; where they are in use, the runtime itself is broken."""
    if "reference" in opened.runtime or opened.network is None:
        return _AGAIN
    distribution = opened.runtime.split()[0]
    try:
        pinned = f"{distribution}=={version(distribution)}"
    except PackageNotFoundError:
        pinned = distribution
    return f"Install the runtime again (pip install --force-reinstall {pinned}), or set models.reference_kernels: true."
