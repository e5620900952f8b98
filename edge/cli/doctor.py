"""``earmark doctor``: what is missing, and the one line that mends it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from edge.cli import options
from edge.cli.console import Console, Style, count, printable
from edge.doctor import CHECKS

if TYPE_CHECKING:
    from edge.doctor.findings import Finding

DESCRIPTION = """
Check the installation: settings, Python, runtime, models, microphone, state folder, people, broker, service, clock.
Each line says what is so and, where something is missing, what to do about it. Nothing is changed, and nothing is
recorded.

exit codes: 0 all is well, or warnings only; 5 something fails; 2 the settings cannot be used
"""
EXAMPLES = """
earmark doctor
earmark doctor --only broker
earmark doctor --listen 5               speak meanwhile: is the microphone loud enough?
sudo earmark doctor --config /etc/earmark/earmark.yaml --state /var/lib/earmark
"""
_STYLES: Final[dict[str, Style]] = {"ok": "green", "warn": "yellow", "fail": "red"}
_LISTEN_SECONDS: Final = 3.0


def register(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "--only", action="append", choices=CHECKS, metavar="NAME", help=f"make this check only: {', '.join(CHECKS)}"
    )
    parser.add_argument(
        "--listen", type=options.seconds, metavar="SECONDS", help="listen to the microphone, too, and judge its level"
    )
    options.add_place(parser)
    options.add_model(parser)


def run(args: argparse.Namespace) -> int:
    """Make the checks, show each as it is done."""
    from edge.cli.opening import open_settings
    from edge.doctor.case import Case
    from edge.doctor.examination import STANDARD, examine
    from edge.doctor.findings import exit_code, worst
    from edge.errors import SettingsError

    console: Console = args.console
    listen_seconds = args.listen or _LISTEN_SECONDS
    try:
        case = Case(open_settings(args), state=args.state, listen_seconds=listen_seconds)
    except SettingsError as error:
        case = Case(None, error, state=args.state)
    only = set(args.only or STANDARD) | ({"level"} if args.listen else set())
    if "level" in only:
        console.note(f"Listening for {listen_seconds:g} s: say something.")
    findings: list[Finding] = []
    for finding in examine(case, only):
        findings.append(finding)
        if not console.json:
            _show(console, finding)
    if console.json:
        console.emit({"status": worst(findings), "checks": [finding.to_json() for finding in findings]})
    else:
        _summarise(console, findings, settings_usable=case.settings is not None)
    return exit_code(findings)


def _show(console: Console, finding: Finding) -> None:
    status = console.style(f"{finding.status:<4}", _STYLES[finding.status])
    console.say(f"{status}  {finding.name:<10}  {printable(finding.sentence)}")
    for line in finding.lines:
        console.say(f"{'':18}{printable(line)}")
    if finding.remedy:
        console.say(f"{'':18}-> {printable(finding.remedy)}")


def _summarise(console: Console, findings: list[Finding], *, settings_usable: bool) -> None:
    failed = sum(finding.status == "fail" for finding in findings)
    warned = sum(finding.status == "warn" for finding in findings)
    if not settings_usable:
        console.note("The other checks wait until the settings can be used.")
    if failed or warned:
        told = [count(n, thing) for n, thing in ((failed, "fault"), (warned, "warning")) if n]
        console.note(f"{count(len(findings), 'check')}: {' and '.join(told)}.")
    else:
        console.note(f"{count(len(findings), 'check')}: all is well.")
