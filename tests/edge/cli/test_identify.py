"""``earmark identify`` and ``earmark people``."""

from __future__ import annotations

from edge.people import PeopleStore
from tests.edge.cli.voice_bundle import ASSETS


def test_each_utterance_gets_its_line(earmark, state) -> None:
    done = earmark("identify", ASSETS / "clip-1-ada.ogg", ASSETS / "clip-3-ben.ogg", ASSETS / "clip-6-stranger.ogg")
    assert done.code == 0
    header, *lines = done.out.splitlines()
    assert "outcome" in header and "SNR" in header
    for name, words in (("clip-1-ada", "Ada"), ("clip-3-ben", "Ben"), ("clip-6-stranger", "unknown")):
        mine = [line for line in lines if name in line]
        assert mine and all(words in line.split(".ogg")[1] for line in mine)


def test_json_is_one_object_an_utterance(earmark, state) -> None:
    done = earmark("identify", ASSETS / "clip-4-ben.ogg", "--json")
    assert done.code == 0
    (line,) = done.lines
    assert line["person"]["name"] == "Ben"
    assert line["outcome"] == "identified"
    assert line["file"].endswith("clip-4-ben.ogg")
    assert 0 <= line["start_s"] < line["end_s"] <= 4
    assert line["probability"] >= line["threshold"]


def test_strangers_are_a_no(earmark, state) -> None:
    done = earmark("identify", ASSETS / "clip-7-stranger.ogg", "--json")
    assert done.code == 1
    assert {line["outcome"] for line in done.lines} == {"unknown"}
    assert all(line["person"] is None for line in done.lines)


def test_silence_is_no_decision(earmark, state, odd) -> None:
    done = earmark("identify", odd / "silence.wav", "--json")
    assert done.code == 3
    assert done.json == {
        "file": str(odd / "silence.wav"), "outcome": "rejected", "person": None, "reason": "silent",
    }  # fmt: skip
    assert "nothing was heard" in earmark("identify", odd / "silence.wav").out


def test_odd_files_do_not_stop_the_others(earmark, state, odd) -> None:
    done = earmark("identify", odd, "--json")
    assert done.code == 0
    named = {line["file"].split("/")[-1]: line["outcome"] for line in done.lines if "file" in line}
    assert named["mp3-inside.wav"] == "identified"
    assert named["clipped.wav"] == "rejected"
    messages = [line["error"]["message"] for line in done.lines if "error" in line]
    assert any("empty.wav" in message for message in messages)
    assert any("text.wav" in message for message in messages)


def test_with_nobody_enrolled_every_voice_is_unknown(earmark) -> None:
    done = earmark("identify", ASSETS / "clip-1-ada.ogg")
    assert done.code == 1
    assert "unknown" in done.out
    assert "Nobody is enrolled" in done.err


def test_people_are_listed_shown_renamed_and_removed(earmark, state) -> None:
    listed = earmark("people", "--json").json["people"]
    assert [p["name"] for p in listed] == ["Ada", "Ben"]
    assert all(p["clips"] >= 5 for p in listed)
    assert all(name in earmark("people", "list").out for name in ("Ada", "Ben"))
    shown = earmark("people", "show", "ada", "--json").json
    assert len(shown["exemplars"]) == listed[0]["clips"] and 0 < min(shown["likeness"].values()) <= 1
    assert "likeness" in earmark("people", "show", "ada").out
    renamed = earmark("people", "rename", "Ada", "Ada L.", "--json").json
    assert renamed == {"id": listed[0]["id"], "name": "Ada L.", "before": "Ada"}
    assert earmark("identify", ASSETS / "clip-1-ada.ogg", "--json").json["person"]["name"] == "Ada L."
    removed = earmark("people", "remove", "Ada L.", "--yes", "--json").json
    assert removed["id"] == listed[0]["id"]
    assert (removed["name"], removed["removed"], removed["problems"]) == ("Ada L.", True, [])
    with PeopleStore(state) as store:
        assert [person.name for person in store.people()] == ["Ben"]
    assert earmark("identify", ASSETS / "clip-1-ada.ogg", "--json").json["outcome"] == "unknown"


def test_nobody_is_removed_unasked(start, earmark, state) -> None:
    process = start("people", "remove", "Ada")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "--yes" in err
    assert len(earmark("people", "--json").json["people"]) == 2


def test_on_a_terminal_the_answer_decides(earmark, state, monkeypatch) -> None:
    class Keyboard:
        def __init__(self, answer: str) -> None:
            self.answer = answer

        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            return self.answer

    monkeypatch.setattr("sys.stdin", Keyboard("\n"))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert earmark("people", "remove", "Ada").code == 1
    assert len(earmark("people", "--json").json["people"]) == 2
    monkeypatch.setattr("sys.stdin", Keyboard("y\n"))
    assert earmark("people", "remove", "Ada").code == 0
    assert [p["name"] for p in earmark("people", "--json").json["people"]] == ["Ben"]


def test_a_name_that_is_taken_or_will_not_do_is_usage(earmark, state) -> None:
    taken = earmark("people", "rename", "Ada", "BEN")
    assert (taken.code, taken.err) == (2, "earmark: Somebody called Ben is enrolled already. Choose another name.\n")
    assert earmark("people", "rename", "Ada", "nobody").code == 2
    assert earmark("people", "rename", "Ada", "ADA").code == 0
    assert earmark("people", "show", "Adda").err.endswith("Did you mean ADA?\n")


def test_an_empty_list_says_so(earmark) -> None:
    assert earmark("people").out == "Nobody is enrolled.\n"
    assert earmark("people", "--json").json == {"people": []}
