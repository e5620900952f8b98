"""The command line itself: finding commands, options, errors in one form, quiet ends."""

from __future__ import annotations

import argparse
import io
import json
import re
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import get_args

import pytest

from edge import __version__
from edge.auth.words import compared
from edge.cli import app, main, options, registry
from edge.cli.console import Console, printable, table
from edge.cli.progress import Progress
from edge.errors import EXIT_INTERRUPTED, StorageError
from edge.records import Profile

ROOT = Path(__file__).parents[3]
NAMES = [command.name for command in registry.built_in()]


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_help_with_examples(name, capsys) -> None:
    assert main([name, "--help"]) == 0
    told = capsys.readouterr().out
    examples = told.split("examples:\n")[1]
    assert re.search(rf"earmark {name}\b", examples)
    assert "--json" in told


@pytest.mark.parametrize("arguments", [[], ["help"], ["--help"], ["-h"]])
def test_alone_it_lists_every_command_under_its_use(arguments, capsys) -> None:
    assert main(arguments) == 0
    told = capsys.readouterr().out
    assert all(f"  {command.name} " in told and command.summary in told for command in registry.built_in())
    assert "People and voices:" in told


def test_help_takes_the_name_of_a_command(capsys) -> None:
    assert main(["help", "people"]) == 0
    assert "usage: earmark people" in capsys.readouterr().out


def test_the_version_is_that_of_the_library(capsys) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"earmark {__version__}\n"


def test_a_misspelt_command_gets_the_nearest_one(earmark) -> None:
    done = earmark("enrol")
    assert (done.code, done.out) == (2, "")
    assert done.err == "earmark: There is no command 'enrol'. Did you mean `earmark enroll`?\n"


def test_errors_have_one_form_in_json(earmark) -> None:
    done = earmark("identfy", "--json")
    assert done.code == 2
    assert done.json == {
        "error": {
            "code": "usage",
            "message": "There is no command 'identfy'",
            "remedy": "Did you mean `earmark identify`?",
        }
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["verify"], "PERSON"),
        (["verify", "Ada", "--profile", "lax"], "relaxed"),
        (["verify", "Ada", "--timeout", "soon"], "seconds"),
        (["identify", "--jsn", "x.wav"], "--jsn"),
        (["--jsn"], "--jsn"),
        (["enroll", "Zoe"], "--mic"),
        (["people", "rename", "Ada"], "old and the new"),
        (["verify", "Ada", "x.wav", "--mic"], "--mic"),
    ],
)
def test_wrong_arguments_end_with_2_and_say_what_is_wrong(earmark, arguments, words) -> None:
    done = earmark(*arguments)
    assert done.code == 2
    assert words in done.err
    assert done.err.count("\n") == 1


def test_shared_options_may_stand_before_the_command(earmark, state) -> None:
    before = earmark("--state", state, "--json", "people")
    after = earmark("people", "--json", "--state", state)
    assert before.code == 0
    assert before.json == after.json
    assert [person["name"] for person in before.json["people"]] == ["Ada", "Ben"]


def test_only_the_chosen_command_is_imported() -> None:
    code = (
        "import sys, edge.cli; edge.cli.main(['devices', '--help']);"
        "print([m for m in sys.modules if m.startswith('edge.cli.') or m in ('numpy', 'edge.pipeline')])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1]
    assert "edge.cli.devices" in loaded
    for name in ("edge.cli.enroll", "edge.cli.simulate", "edge.pipeline", "'numpy'"):
        assert name not in loaded


def test_the_profiles_of_the_options_are_those_of_the_records() -> None:
    assert get_args(Profile) == options.PROFILES


def test_an_option_before_the_command_wins_over_its_default_and_hides_none(earmark, plant) -> None:
    seen = []

    class Own(Planted):
        def register(self, parser: argparse.ArgumentParser) -> None:
            parser.add_argument("--bundle", default="mine")

        def run(self, args: argparse.Namespace) -> int:
            seen.append((args.bundle, args.state, args.json))
            return 0

    plant(None, Own)
    for arguments in (["devices"], ["--bundle", "a", "devices"], ["--bundle", "a", "devices", "--bundle", "b"]):
        assert earmark(*arguments).code == 0
    assert seen == [("mine", None, False), ("a", None, False), ("b", None, False)]


class Planted:
    """A command that does what a test needs."""

    DESCRIPTION = "planted"
    EXAMPLES = "earmark planted"

    def __init__(self, action) -> None:
        self.action = action

    def register(self, parser: argparse.ArgumentParser) -> None:
        options.add_place(parser)

    def run(self, args: argparse.Namespace) -> int:
        return self.action()


@pytest.fixture
def plant(monkeypatch):
    """Make ``earmark devices`` do something else."""

    def put(action, kind=None) -> None:
        monkeypatch.setattr(registry.Command, "load", lambda command: (kind or Planted)(action))

    return put


def raising(error):
    def action() -> int:
        raise error

    return action


def test_a_ctrl_c_that_a_finaliser_swallows_still_ends_the_command() -> None:
    code = """
import signal, sys, time
from edge.cli import app

class Finaliser:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

def command(words):
    Finaliser()
    time.sleep(30)
    return 0

app._dispatch = command
sys.exit(app.main(["people"]))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (EXIT_INTERRUPTED, "earmark: stopped.\n")


def test_ctrl_c_ends_with_130_and_no_traceback(earmark, plant) -> None:
    plant(raising(KeyboardInterrupt()))
    done = earmark("devices")
    assert (done.code, done.err) == (EXIT_INTERRUPTED, "earmark: stopped.\n")


def test_a_mistake_of_the_program_is_one_sentence_that_asks_for_a_report(earmark, plant) -> None:
    plant(raising(ValueError("planted\nfault")))
    done = earmark("devices")
    assert done.code == 5
    assert "ValueError: planted" in done.err and "--debug" in done.err
    assert "Traceback" not in done.err
    assert done.err.count("\n") == 1


def test_with_debug_a_mistake_shows_its_traceback(earmark, plant) -> None:
    plant(raising(ValueError("planted")))
    assert "Traceback" in earmark("devices", "--debug").err


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device", "/x/out"), "disk is full (/x/out)"),
        (OSError(30, "Read-only file system", "/x/out"), "read-only (/x/out)"),
        (PermissionError(13, "Permission denied", "/x/out"), "Permission denied (/x/out)"),
    ],
)
def test_errors_of_the_operating_system_are_sentences(earmark, plant, error, words) -> None:
    plant(raising(error))
    done = earmark("devices", "--json")
    assert done.code == StorageError.exit_code
    assert done.json["error"]["code"] == "storage"
    assert words in done.json["error"]["message"]


def test_a_full_disk_behind_stdout_is_a_sentence(start, state) -> None:
    with Path("/dev/full").open("w") as full:
        process = start("people", "--state", state, stdout=full)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 5
    assert err == "earmark: The disk is full. Free some space and try again.\n"


def test_a_reader_that_goes_away_ends_it_quietly(start) -> None:
    process = start()
    process.stdout.close()
    process.wait(timeout=60)
    assert process.returncode == app.EXIT_PIPE
    assert process.stderr.read() == ""


def test_a_character_that_the_terminal_lacks_does_not_end_the_command(start, state, earmark, monkeypatch) -> None:
    assert earmark("people", "rename", "Ada", "Åsa").code == 0
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    out, _ = start("people", "--state", state, "--json").communicate(timeout=60)
    assert json.loads(out)["people"][1]["name"] == "Åsa"
    out, _ = start("people", "--state", state).communicate(timeout=60)
    assert r"\xc5sa" in out


def test_commands_of_other_rooms_are_listed_and_run(earmark, monkeypatch) -> None:
    point = EntryPoint("evaluate", "tests.edge.cli.test_app:pretend", registry.ENTRY_POINTS)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])
    assert "evaluate" in earmark().out
    done = earmark("evaluate", "--json", "out.json", "list.txt")
    assert (done.code, done.out) == (1, "['--json', 'out.json', 'list.txt']\n")
    assert "Did you mean `earmark evaluate`" in earmark("evalute").err


@pytest.mark.parametrize("pair", sorted(pair for pair in registry.PAIRS if pair.replace(" ", "-") not in NAMES))
def test_two_words_may_name_one_command(earmark, monkeypatch, pair) -> None:
    point = EntryPoint(pair.replace(" ", "-"), "tests.edge.cli.test_app:pretend", registry.ENTRY_POINTS)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])
    done = earmark(*pair.split(), "--json")
    assert (done.code, done.out) == (1, "['--json']\n")
    assert "usage: earmark bench" in earmark("bench", "--help").out


def pretend(argv) -> int:
    print(argv)
    return 1


def test_what_json_means_to_a_command_of_another_room_is_its_own_affair(earmark, monkeypatch) -> None:
    point = EntryPoint("evaluate", "tests.edge.cli.test_app:fail", registry.ENTRY_POINTS)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])
    done = earmark("evaluate", "--json", "out.json")
    assert (done.code, done.out, done.err) == (5, "", "earmark: planted.\n")


def fail(argv) -> int:
    raise StorageError("planted")


def test_a_command_whose_extra_is_missing_says_what_to_install(earmark, monkeypatch) -> None:
    point = EntryPoint("convert", "not_installed_here.commands:convert", registry.ENTRY_POINTS)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])
    done = earmark("convert")
    assert done.code == 5
    assert "not_installed_here" in done.err and "pip install 'earmark[train]'" in done.err


def test_names_cannot_carry_control_characters_to_a_terminal() -> None:
    assert printable("a\x1b[31mb\nc") == "a�[31mb�c"


@pytest.mark.parametrize(
    ("numbers", "shown"),
    [((0.5, 0.96), ("0.50", "0.96")), ((0.9571, 0.9612), ("0.957", "0.961")), ((0.5, 0.5), ("0.5000", "0.5000"))],
)
def test_a_comparison_shows_which_is_greater(numbers, shown) -> None:
    assert compared(*numbers) == shown


def test_columns_are_aligned() -> None:
    assert table([["a", "1"], ["bbb", "22"]], right=(1,)) == ["a     1", "bbb  22"]


class Terminal(io.StringIO):
    """A stderr that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_bar_is_drawn_on_a_terminal_and_removed_at_the_end(monkeypatch) -> None:
    terminal, ticks = Terminal(), iter(range(100))
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("edge.cli.progress.time.monotonic", lambda: float(next(ticks)))
    with Progress(Console(), "reading", 4) as bar:
        bar.advance(1, "a.wav")
    assert "\rreading [######..................]  25 % a.wav" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_without_a_terminal_progress_is_a_plain_line_now_and_then(monkeypatch, capsys) -> None:
    ticks = iter(range(0, 1000, 6))
    monkeypatch.setattr("edge.cli.progress.time.monotonic", lambda: float(next(ticks)))
    with Progress(Console(), "reading", 4) as bar:
        for _ in range(4):
            bar.advance(1)
    assert capsys.readouterr().err == "reading:  50 %\nreading: 100 %\n"


def test_quiet_shows_neither_progress_nor_advice(monkeypatch, capsys) -> None:
    ticks = iter(range(0, 1000, 60))
    monkeypatch.setattr("edge.cli.progress.time.monotonic", lambda: float(next(ticks)))
    console = Console(quiet=True)
    with Progress(console, "reading", 4) as bar:
        bar.advance(1)
    console.note("advice")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colours_are_for_terminals_that_want_them(monkeypatch, environ, coloured) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert (Console(environ=environ).style("x", "green") != "x") == coloured
    assert Console(environ=environ, no_colour=True).style("x", "green") == "x"


def test_without_a_terminal_there_is_no_colour(capsys) -> None:
    assert Console(environ={}).style("x", "green") == "x"
