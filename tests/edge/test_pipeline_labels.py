"""Gender in the pipeline: for whom it is told, and when it is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edge.audio import read_samples
from edge.bundle import open_bundle
from edge.demo.stage import ASSETS
from edge.pipeline import Pipeline
from edge.records import AudioBlock, Float32, Result
from edge.settings import Decide, Models, Privacy, Settings
from tests.edge.cli import voice_bundle
from tests.edge.made_labels import make_pack


def clip(name: str) -> Float32:
    return read_samples(ASSETS / name)


def run(pipeline: Pipeline, samples: Float32) -> list[Result]:
    return [*pipeline.push(AudioBlock(samples, 0)), *pipeline.finish()]


def test_labels_are_told_where_they_are_switched_on_and_doubted_where_two_people_speak(tmp_path) -> None:
    folder = voice_bundle.make(tmp_path / "voices")
    pack = make_pack(tmp_path / "made-up", folder, 38, loudness=30.0)
    bundle = open_bundle(folder, Models(packs=(str(pack),)))
    samples = np.concatenate([clip("clip-1-ada.ogg"), np.zeros(32_000, np.float32),
                              clip("clip-1-ada.ogg")[8_000:17_000], np.zeros(32_000, np.float32),
                              clip("ada-enrol-1.ogg")[:56_000], clip("ben-enrol-1.ogg")[8_000:72_000]])  # fmt: skip
    cautious = replace(Settings(), decide=Decide(min_speech_seconds=0.7))
    on = replace(cautious, privacy=Privacy(gender=True, labels_acknowledged=True))
    results = run(Pipeline(bundle, on), samples)
    rejected = [result for result in results if result.decision.outcome == "rejected"]
    mixed = [result for result in results if "multi_speaker" in result.decision.flags]
    alone = [result for result in results if result not in rejected + mixed]
    assert rejected and mixed and alone
    assert all(result.labels == {} for result in rejected)
    assert {result.labels["gender"].reason for result in mixed} == {"multi_speaker"}
    assert all(result.labels["gender"].label in {"female", "male"} for result in alone)
    assert all("emotion" not in result.labels for result in results), "which is not switched on"
    off = run(Pipeline(bundle, cautious), samples)
    assert all(result.labels == {} for result in off)
    assert [one.decision for one in results] == [one.decision for one in off], "who spoke does not depend on it"
