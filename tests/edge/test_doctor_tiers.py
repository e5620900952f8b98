"""``earmark doctor`` measures every bundle here and says which one to take."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from edge.bundle import installed_bundles, open_bundle
from edge.bundle.files import is_pack
from edge.doctor import tiers
from edge.doctor.case import Case
from edge.doctor.examination import examine
from edge.doctor.tiers import MOST_RTF, Cost, Tier, judge, mean_eers, recommend
from edge.errors import BundleError
from edge.settings import DEFAULT_BUNDLE, Models, Mqtt, Settings
from tests.edge.cli import voice_bundle


def tier(name: str, rtf: float | None, mean_eer: float | None = None, **more: object) -> Tier:
    return Tier(name, Path(name), "1", cost=None if rtf is None else Cost(rtf, 3000 * rtf), mean_eer=mean_eer, **more)


def figures(**eers: float) -> dict:
    return {"figures": {"lists": {name: {"eer": eer} for name, eer in eers.items()}}}


def test_the_most_accurate_that_keeps_up_is_taken() -> None:
    heavy, middle, light = tier("heavy", 0.3, 2.0), tier("middle", MOST_RTF, 4.0), tier("light", 0.01, 9.0)
    assert recommend([light, middle, heavy]) is middle
    assert recommend([light, middle, replace(heavy, cost=Cost(0.2, 600))]).name == "heavy"
    assert recommend([light, replace(middle, mean_eer=None)]) is light, "what was never measured is not the best"
    assert recommend([light, replace(middle, problem="it does not support the profile strict")]) is light
    assert recommend([heavy, tier("heavier", 0.9, 1.0)]) is heavy, "where none keeps up, the lightest"
    assert recommend([tier("broken", None, problem="gone")]) is None


def test_accuracy_is_compared_on_lists_that_the_cards_share() -> None:
    cards = {
        DEFAULT_BUNDLE: figures(read=1.0, noisy=3.0, words=8.0),
        "compact": figures(read=2.0, noisy=5.0, digits=1.0),
        "mine": figures(kitchen=0.1),
        "bare": {"figures": {}},
    }
    assert mean_eers(cards) == ({DEFAULT_BUNDLE: 2.0, "compact": 3.5}, ("read", "noisy"))
    assert mean_eers({"mine": figures(kitchen=0.5)}) == ({"mine": 0.5}, ("kitchen",))
    assert mean_eers({"bare": {}}) == ({}, ())


def test_a_bundle_in_use_that_does_not_keep_up_is_a_warning_with_what_to_set() -> None:
    heavy = tier("heavy", 0.5, 2.0, space="voices-8/1")
    light = tier("light", 0.05, 4.0, space="voices-8/1")
    found = judge([heavy, light], "heavy", ["read"], 500)
    assert (found.status, found.facts["recommended"]) == ("warn", "light")
    assert found.sentence == (
        "Take light: the most accurate (mean EER 4.0 % on 1 trial list) of those that need at most 25 % of one core. "
        "In use is heavy."
    )
    assert found.remedy == "Set models.bundle: light (people are named less often until they enrol again)."
    apart = judge([heavy, replace(light, space="")], "heavy", ["read"], 500)
    assert "people must enrol again" in apart.remedy
    assert judge([heavy, light], "light", ["read"], 500).status == "ok"
    assert found.lines[0] == "heavy: 50.0 % of one core, answer 2000 ms after the end of speech, mean EER 2.0 %"


def test_a_lighter_bundle_than_need_be_is_fine_and_the_better_one_is_named() -> None:
    found = judge([tier("fine", 0.1, 2.0), tier("light", 0.01, 4.0)], "light", ["read"], 300)
    assert (found.status, found.remedy.startswith("Set models.bundle: fine")) == ("ok", True)


def test_where_nothing_keeps_up_or_opens_it_is_said() -> None:
    slow = judge([tier("heavy", 0.9, 2.0), tier("light", 0.4, 4.0)], "heavy", ["read"], 500)
    assert (slow.status, slow.facts["recommended"]) == ("warn", "light")
    assert "No bundle keeps below 25 %" in slow.sentence and "models.bundle: light" in slow.remedy
    none = judge([tier("gone", None, problem="there is no such bundle")], "gone", [], 500)
    assert (none.status, none.lines) == ("fail", ("gone: cannot be used, there is no such bundle",))


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A device with three bundles in its own folder, one of them broken, besides those that come with the package."""
    folder = tmp_path / "bundles"
    voice_bundle.make(folder / "voices", name="voices", figures=figures(read=1.0)["figures"])
    shutil.copytree(folder / "voices", folder / "broken")
    (folder / "broken" / "head.npz").write_bytes(b"no arrays")
    voice_bundle.make(folder / "few", name="few", calibration=voice_bundle.CALIBRATION | {"trials": 5})
    settings = Settings(models=Models(bundle="voices"), mqtt=Mqtt(enabled=False))
    return Case(settings, state=tmp_path / "state", environ={"EARMARK_BUNDLES": str(folder)}, root=tmp_path / "root")


def test_every_installed_bundle_is_measured_here(case: Case) -> None:
    (found,) = examine(case, ["bundles"])
    told = {row["name"]: row for row in found.facts["bundles"]}
    assert set(told) >= {"voices", "broken", "few", *(path.name for path in tiers_packaged())}
    assert found.facts["in_use"] == "voices"
    assert told["voices"]["rtf"] > 0 and told["voices"]["answer_ms"] > found.facts["hangover_ms"]
    assert "head.npz" in told["broken"]["problem"] and told["broken"]["rtf"] is None
    assert told["few"]["problem"] == "it does not support the profile balanced"
    assert len(found.lines) == len(told)
    for row in told.values():
        assert row["fits"] == (row["rtf"] is not None and row["rtf"] <= MOST_RTF)


def tiers_packaged() -> list[Path]:
    cards = sorted((Path(tiers.__file__).parents[1] / "bundles").glob("*/card.json"))
    return [card.parent for card in cards if not is_pack(card.parent)]


def test_a_bundle_named_by_its_path_is_measured_too(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "bundles" / "voices"
    (found,) = examine(replace(case, settings=replace(case.settings, models=Models(bundle=str(path)))), ["bundles"])
    assert found.facts["in_use"] == str(path)
    assert str(path) in {row["name"] for row in found.facts["bundles"]}


def test_a_cost_is_all_work_per_second_and_the_wait_only_what_comes_after_the_last_sample(monkeypatch) -> None:
    """On a clock of its own: 1 ms for each portion of 100 ms, 60 ms at the end, twice that on the wall."""
    now = [0.0]

    class Stream:
        def push(self, samples: np.ndarray) -> None:
            assert len(samples) == 1600
            now[0] += 0.001

        def finish(self) -> None:
            now[0] += 0.06

    clocks = SimpleNamespace(process_time=lambda: now[0], perf_counter=lambda: 2 * now[0])
    monkeypatch.setattr(tiers, "time", clocks)
    samples = tiers.ordinary_speech()
    assert len(samples) == 48_000 and np.abs(samples).max() > 0.01
    cost = tiers.measure(SimpleNamespace(stream=Stream), samples)
    assert (cost.rtf, cost.compute_ms) == (pytest.approx(0.09 / 3), pytest.approx(122))


def test_a_name_that_does_not_exist_lists_those_that_do() -> None:
    known = installed_bundles()
    assert DEFAULT_BUNDLE in known
    with pytest.raises(BundleError) as caught:
        open_bundle("compakt")
    assert all(name in caught.value.remedy for name in known)
