"""Which clips go into which shard of a cache, and what the cache is called.

Takes rows of a manifest, a ``FeatureSpec`` and the choices of a preparation; gives ``Plan``. Must hold: the plan
depends on these alone, not on how many workers there are or where it was interrupted; each clip is in one shard.

Clips are dealt out to the shards in random order: a manifest goes speaker by speaker, and batches that read a few
shards at a time shall meet many voices.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edge.errors import UsageError
from edge.records import FeatureSpec
from training.corpus import Recording
from training.data.shards import BYTES

FORMAT: Final = 1
"""Of the cache's files; another format is another cache."""

SHARD_MB: Final = 256
"""MB (2^20 bytes) of a full shard: long reads for a disk, and a few thousand files for seven thousand hours."""

_LEAST_SHARDS: Final = 64
_LEAST_SHARD_BYTES: Final = 4 << 20
"""A small corpus gets smaller shards, so that workers share it evenly, and progress and resumption have fine steps."""


def unnormalised(spec: FeatureSpec) -> FeatureSpec:
    """``spec`` without what happens after the front-end: specs that differ only there share a cache."""
    return replace(spec, normalise="none", mean=(), scale=())


@dataclass(frozen=True)
class Plan:
    """A preparation. Make one with ``make_plan``.

    ``views``: augmented views beside the clean one. ``augment``: fingerprint of the augmenter, "" without one.
    ``label``: begins the name of the cache's folder. ``name``: of the folder, "" to derive it from the content.
    """

    spec: FeatureSpec
    clips: tuple[Recording, ...]
    views: int = 0
    augment: str = ""
    seed: int = 1
    shard_bytes: int = SHARD_MB << 20
    label: str = "clips"
    name: str = ""

    @cached_property
    def content(self) -> str:
        """16 hex digits that stand for everything in the cache but the ``FeatureSpec``."""
        digest = hashlib.sha256(json.dumps([FORMAT, self.views, self.augment, self.seed, self.shard_bytes]).encode())
        for clip in self.clips:
            row = [clip.path, clip.set, clip.speaker, clip.gender, clip.emotion, clip.language, clip.seconds]
            digest.update(json.dumps(row).encode())
        return digest.hexdigest()[:16]

    def folder(self, cache: Path) -> Path:
        """Where the cache lies: ``cache/<fingerprint of the features>/<name>``."""
        return cache / self.spec.fingerprint() / (self.name or f"{self.label}-{self.content}")

    @cached_property
    def audio_seconds(self) -> float:
        """Seconds of all clips, as the manifest says."""
        return float(sum(clip.seconds for clip in self.clips))

    @cached_property
    def shards(self) -> tuple[npt.NDArray[np.int64], ...]:
        """Numbers of the clips of each shard."""
        order = np.random.default_rng(self.seed).permutation(len(self.clips))
        sizes = np.array([self._bytes(self.clips[i].seconds) for i in order])
        full = float(min(self.shard_bytes, max(sizes.sum() / _LEAST_SHARDS, _LEAST_SHARD_BYTES)))
        ends = np.cumsum(sizes)
        of_shard = ((ends - sizes / 2) // full).astype(np.int64)
        return tuple(np.split(order, np.flatnonzero(np.diff(of_shard)) + 1))

    def seconds_of(self, shard: int) -> float:
        """Seconds of a shard's clips, as the manifest says."""
        return float(sum(self.clips[i].seconds for i in self.shards[shard]))

    def to_json(self) -> dict[str, Any]:
        """What ``cache.json`` says about the plan."""
        return {
            "format": FORMAT, "content": self.content, "features": self.spec.to_json(), "views": self.views,
            "augment": self.augment, "seed": self.seed, "clips": len(self.clips), "shards": len(self.shards),
            "audio_seconds": round(self.audio_seconds, 3),
        }  # fmt: skip

    def _bytes(self, seconds: float) -> float:
        # An augmented view brings its clean partner; how long it becomes is the augmenter's business.
        stored = 1 + 2 * self.views
        return max(1.0, seconds * 1000 / self.spec.hop_ms) * self.spec.coefficients * BYTES * stored


def make_plan(
    recordings: Sequence[Recording],
    spec: FeatureSpec,
    *,
    splits: Sequence[str] = ("train",),
    sets: Sequence[str] = (),
    views: int = 0,
    augment: str = "",
    seed: int = 1,
    shard_mb: int = SHARD_MB,
    name: str = "",
) -> Plan:
    """Choose the clips of ``splits`` (and of ``sets``, where any are named) and plan their preparation.

    Raises ``UsageError`` where nothing is left to prepare, a speaker is in several splits, or a choice makes no sense.
    """
    if views and not augment:
        raise UsageError("Augmented views were asked for without an augmenter", "Ask for no views.")
    if views < 0 or shard_mb < 1:
        raise UsageError(f"{views} views in shards of {shard_mb} MB make no sense", "Give at least 0 and 1.")
    if name and (name in (".", "..") or Path(name).name != name):
        raise UsageError(f"{name!r} can't be the name of a folder", "Give a plain word.")
    known_splits, known_sets = {r.split for r in recordings}, {r.set for r in recordings}
    for what, asked, known in (("split", splits, known_splits), ("set", sets, known_sets)):
        for one in asked:
            if one not in known:
                raise UsageError(f"The manifest has no {what} {one!r}", f"It has {', '.join(sorted(known))}.")
    refuse_shared_speakers(recordings)
    clips = tuple(r for r in recordings if r.split in splits and (not sets or r.set in sets))
    if not clips:
        raise UsageError(
            f"No clip is of split {' or '.join(splits)} and of set {' or '.join(sets)}", "Choose other sets."
        )
    twice = len(clips) - len({clip.path for clip in clips})
    if twice:
        raise UsageError(f"{twice} lines of the manifest name a clip a second time", "Run earmark data check.")
    label = "-".join((*splits, *sets))[:40]
    return Plan(
        unnormalised(spec), clips, views, augment if views else "", seed, shard_mb << 20, label=label, name=name
    )


def shared_speakers(recordings: Sequence[Recording]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Speakers ``(set, speaker)`` whom the manifest puts into more than one split, with their splits."""
    splits: dict[tuple[str, str], set[str]] = {}
    for recording in recordings:
        if recording.speaker:
            splits.setdefault((recording.set, recording.speaker), set()).add(recording.split)
    return {key: tuple(sorted(found)) for key, found in splits.items() if len(found) > 1}


def refuse_shared_speakers(recordings: Sequence[Recording]) -> None:
    """Raise ``UsageError`` where a person is in several splits: what is measured must not have been trained on."""
    shared = shared_speakers(recordings)
    if shared:
        (corpus, speaker), splits = next(iter(shared.items()))
        raise UsageError(
            f"{len(shared)} speakers are in several splits, the first is {speaker} of {corpus} in {', '.join(splits)}",
            "Give each person to one split.",
        )
