"""``earmark fleet``: the command line.

Takes arguments. Gives tables or JSON on standard output, progress on standard error, and an exit code. Must hold:
``status`` and ``check`` and ``--dry-run`` change nothing on any host.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from deploy.fleet import journal as journals
from deploy.fleet.actions import Action, BundleAction, SoftwareAction
from deploy.fleet.asking import Report, ask_all
from deploy.fleet.checks import check_host
from deploy.fleet.faults import InventoryError, RolloutError
from deploy.fleet.inventory import DEFAULT_FILE, Host, Inventory, Pace, load_inventory
from deploy.fleet.one_host import unfit
from deploy.fleet.plan import check_canary, waves
from deploy.fleet.rollout import Rollout
from deploy.fleet.settings import SettingsAction
from deploy.fleet.ssh import Shell
from deploy.fleet.tables import printable, status_table, table
from edge.errors import EXIT_INTERRUPTED, EXIT_NO, EXIT_OK, EarmarkError

EXAMPLES: Final = """examples:
  earmark fleet status
  earmark fleet status kitchen upstairs --json
  earmark fleet check
  earmark fleet bundle accurate-1.1.0.earmark --dry-run
  earmark fleet bundle accurate-1.1.0.earmark --canary kitchen --wave 25% --soak 600
  earmark fleet deploy earmark-0.2.0-arm64.pyz
  earmark fleet settings upstairs
  earmark fleet resume

exit codes: 0 done, or all well; 1 a host failed, and every host is well or as before; 2 the inventory or the
arguments; 5 a host is broken, or could not be reached to make sure; 130 stopped by Ctrl-C, to be resumed
"""


def fleet(argv: Sequence[str] | None = None) -> int:
    """Run ``earmark fleet`` with the arguments after ``fleet``; gives the exit code. Raises ``EarmarkError``."""
    options = parser().parse_args(argv)
    try:
        code: int = options.act(options)
    except EarmarkError as error:
        if not options.json:
            raise
        print(json.dumps({"error": {"code": error.code, "message": error.cause, "remedy": error.remedy}}))
        return error.exit_code
    return code


def parser() -> argparse.ArgumentParser:
    """The arguments after ``earmark fleet``."""
    top = argparse.ArgumentParser(
        prog="earmark fleet",
        description="Look after many devices over SSH: how they are, and what runs on them (docs/fleet.md).",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    words = top.add_subparsers(dest="what", required=True, metavar="WHAT")
    word = words.add_parser("status", help="a table: reachable, version, bundle, health, uptime, outbox, clock")
    _common(word, "HOST", status)
    word = words.add_parser("check", help="whether a rollout could begin: login, sudo, versions, room, clock, settings")
    _common(word, "HOST", check)
    word = words.add_parser("bundle", help="put another bundle to use, canary first, without loss of events")
    word.add_argument("file", type=Path, help="an .earmark file")
    word.add_argument("--force", action="store_true", help="also where people have to enrol again")
    _common(word, "HOST", roll_out)
    _rollout(word)
    word = words.add_parser("deploy", help="bring another version of Earmark to the hosts, canary first")
    word.add_argument("file", type=Path, help="a kit (`earmark deploy kit`) or a wheel")
    _common(word, "HOST", roll_out)
    _rollout(word)
    word = words.add_parser("settings", help="give the hosts the settings of the inventory, canary first")
    _common(word, "HOST", roll_out)
    _rollout(word)
    word = words.add_parser("resume", help="go on with the rollout that stopped or was interrupted")
    _common(word, None, resume)
    word.add_argument("--journal", type=Path, help="where the rollout is kept")
    return top


def _common(word: argparse.ArgumentParser, hosts: str | None, act: Any) -> None:
    if hosts:
        word.add_argument("hosts", nargs="*", metavar=hosts, help="hosts or groups of the inventory (all of them)")
    word.add_argument("--inventory", type=Path, default=DEFAULT_FILE, metavar="FILE", help="(%(default)s)")
    word.add_argument("--json", action="store_true", help="machine-readable output on stdout")
    word.add_argument("--quiet", action="store_true", help="no progress")
    word.set_defaults(act=act)


def _rollout(word: argparse.ArgumentParser) -> None:
    word.add_argument("--canary", metavar="HOST", action="append", help="who goes first: names, or a number (1)")
    word.add_argument("--wave", metavar="N|P%", help="how many hosts at a time afterwards (25%%)")
    word.add_argument(
        "--soak", type=float, metavar="SECONDS", help="how long to wait between waves, and look again (0)"
    )
    word.add_argument("--health", type=float, metavar="SECONDS", help="how long a host may take to be well (90)")
    word.add_argument("--settle", type=float, metavar="SECONDS", help="how long it must then stay well (5)")
    word.add_argument("--allow-faults", action="store_true", help="change hosts that are not well beforehand, too")
    word.add_argument("--dry-run", action="store_true", help="ask the hosts, show what would be done, do nothing")
    word.add_argument("--new", action="store_true", help="begin although an earlier rollout has not ended")
    word.add_argument("--journal", type=Path, metavar="FILE", help="where to keep how far the rollout is")


def status(options: argparse.Namespace) -> int:
    """``earmark fleet status``."""
    inventory = load_inventory(options.inventory)
    with shells(inventory.select(options.hosts)) as known:
        reports = ask_all(list(known.values()), lambda report: _progress(options, report.name, "has answered"))
    limit = inventory.pace.clock_seconds
    if options.json:
        print(json.dumps({"hosts": [one.to_json() | {"clock_wrong": one.clock_wrong(limit)} for one in reports]}))
    else:
        print("\n".join(status_table(reports, limit)))
    return EXIT_OK if all(one.healthy and not one.clock_wrong(limit) for one in reports) else EXIT_NO


def check(options: argparse.Namespace) -> int:
    """``earmark fleet check``."""
    inventory = load_inventory(options.inventory)
    with shells(inventory.select(options.hosts)) as known:
        reports = ask_all(list(known.values()))
        found = {report.name: check_host(known[report.name], report, reports, inventory.pace) for report in reports}
    failed = any(finding.status == "fail" for findings in found.values() for finding in findings)
    if options.json:
        hosts = [{"host": name, "checks": [one.to_json() for one in findings]} for name, findings in found.items()]
        print(json.dumps({"ok": not failed, "hosts": hosts}))
    else:
        rows = [(name, one.status, one.name, one.sentence) for name, findings in found.items() for one in findings]
        print("\n".join(table(rows)))
    return EXIT_NO if failed else EXIT_OK


def roll_out(options: argparse.Namespace) -> int:
    """``earmark fleet bundle``, ``deploy`` and ``settings``."""
    inventory = load_inventory(options.inventory)
    pace = _pace(options, inventory.pace)
    chosen = inventory.select(options.hosts)
    check_canary(pace.canary, [host.name for host in inventory.hosts])
    plan = waves([host.name for host in chosen], pace.canary, pace.wave)
    order = {
        "what": options.what,
        "file": str(options.file.absolute()) if "file" in options else "",
        "hosts": [host.name for host in chosen],
        "force": getattr(options, "force", False),
        "allow_faults": options.allow_faults,
        "pace": {"soak_seconds": pace.soak_seconds, "health_seconds": pace.health_seconds,
                 "settle_seconds": pace.settle_seconds},
    }  # fmt: skip
    action = action_of(order)
    order["sha256"] = action.digest
    if options.dry_run:
        return _foresee(options, chosen, plan, action, pace)
    path = options.journal or journals.usual_place(inventory.path)
    with journals.alone(path):
        earlier = journals.load(path)
        if earlier and not earlier.finished and not options.new and dict(earlier.order) != order:
            raise RolloutError(
                f"the rollout that began at {earlier.began} ({earlier.order.get('what')}) has not ended",
                "`earmark fleet resume` goes on with it; --new leaves it and begins another.",
            )
        journal = journals.begin(path, order, plan)
        return _go(options, inventory, journal, action, pace)


def resume(options: argparse.Namespace) -> int:
    """``earmark fleet resume``."""
    inventory = load_inventory(options.inventory)
    path = options.journal or journals.usual_place(inventory.path)
    with journals.alone(path):
        journal = journals.load(path)
        if journal is None or journal.finished:
            raise RolloutError("there is no rollout to go on with", "Begin one: `earmark fleet --help`.")
        pace = replace(inventory.pace, **journal.order.get("pace", {}))
        action = action_of(journal.order)
        if action.digest != journal.order.get("sha256", ""):
            raise RolloutError(
                f"{journal.order['file']} is another file than the one that the rollout of {journal.began} began with",
                "Put that one back, or begin with the new one at the canary: the same command as then, with --new.",
            )
        return _go(options, inventory, journal, action, pace)


def action_of(order: Mapping[str, Any]) -> Action:
    """The action that was ordered. Raises ``EarmarkError`` where its file will not do."""
    match order.get("what"):
        case "bundle":
            seconds = float(order.get("pace", {}).get("health_seconds", Pace().health_seconds))
            return BundleAction(Path(order["file"]), force=bool(order.get("force")), wait_seconds=max(1.0, seconds))
        case "deploy":
            return SoftwareAction(Path(order["file"]))
        case _:
            return SettingsAction()


@contextmanager
def shells(hosts: Sequence[Host]) -> Iterator[dict[str, Shell]]:
    """A shell for each host, by name; their connections are ended afterwards."""
    # Short: the path of a connection's socket may have 107 bytes.
    with tempfile.TemporaryDirectory(prefix="ef-", dir="/tmp") as folder:
        known = {host.name: Shell(host, Path(folder)) for host in hosts}
        try:
            yield known
        finally:
            for shell in known.values():
                shell.close()


def _go(
    options: argparse.Namespace, inventory: Inventory, journal: journals.Journal, action: Action, pace: Pace
) -> int:
    names = list(journal.hosts)
    if gone := [name for name in names if name not in {host.name for host in inventory.hosts}]:
        raise InventoryError(f"{gone[0]} is in the rollout and no more in the inventory", "Begin a new one: --new.")
    lock = threading.Lock()

    def say(name: str, text: str) -> None:
        with lock:
            _progress(options, name, text)

    _progress(options, "", f"{action.title}: {len(names)} hosts in {len(journal.waves)} waves; journal {journal.path}")
    try:
        with shells(inventory.select(names)) as known:
            allow = bool(journal.order.get("allow_faults"))
            code = Rollout(journal, known, action, pace, say, allow_faults=allow).run()
    except KeyboardInterrupt:
        journal.save()
        code = EXIT_INTERRUPTED
    _tell(options, journal, action, code)
    return code


def _foresee(
    options: argparse.Namespace, chosen: Sequence[Host], plan: Sequence[Sequence[str]], action: Action, pace: Pace
) -> int:
    """``--dry-run``: what would be done."""
    with shells(chosen) as known:
        reports = {report.name: report for report in ask_all(list(known.values()))}
    by_name = {host.name: host for host in chosen}
    rows: list[dict[str, Any]] = []
    for number, wave in enumerate(plan, start=1):
        for name in wave:
            report: Report = reports[name]
            foresight = action.foresee(by_name[name], report)
            refused = unfit(report, pace, allow_faults=options.allow_faults) or foresight.refused
            would = "refuse" if refused else "nothing" if foresight.already else "change"
            rows.append({"wave": number, "host": name, "would": would, "before": foresight.before,
                         "after": foresight.after, "why": refused})  # fmt: skip
    refusals = any(row["would"] == "refuse" for row in rows)
    if options.json:
        print(json.dumps({"dry_run": True, "what": action.title, "hosts": rows}))
    else:
        lines = [(str(row["wave"]), row["host"], row["would"], _words(row)) for row in rows]
        print("\n".join(table([("WAVE", "HOST", "WOULD", ""), *lines])))
    return EXIT_NO if refusals else EXIT_OK


def _words(row: Mapping[str, Any]) -> str:
    if row["why"]:
        return str(row["why"])
    return f"{row['before']} -> {row['after']}" if row["would"] == "change" else str(row["after"])


def _tell(options: argparse.Namespace, journal: journals.Journal, action: Action, code: int) -> None:
    rows: list[dict[str, Any]] = []
    for number, wave in enumerate(journal.waves, start=1):
        for name in wave:
            entry = journal.hosts[name]
            rows.append({"wave": number, "host": name, "state": entry.state, "before": entry.before,
                         "after": entry.after, "seconds": entry.seconds, "why": entry.why})  # fmt: skip
    if options.json:
        told = {"what": action.title, "exit_code": code, "journal": str(journal.path), "hosts": rows}
        print(json.dumps(told))
        return
    lines = [
        (str(r["wave"]), r["host"], r["state"].replace("_", " "), f"{r['seconds']:.0f} s", _result(r)) for r in rows
    ]
    print("\n".join(table([("WAVE", "HOST", "STATE", "TOOK", ""), *lines])))
    if code != EXIT_OK:
        print("earmark fleet: stopped. `earmark fleet resume` goes on once the cause is mended.", file=sys.stderr)


def _result(row: Mapping[str, Any]) -> str:
    if row["why"]:
        return str(row["why"])
    return f"{row['before']} -> {row['after']}" if row["state"] == "done" and row["after"] else str(row["after"])


def _pace(options: argparse.Namespace, pace: Pace) -> Pace:
    given = {"wave": options.wave, "soak_seconds": options.soak, "health_seconds": options.health,
             "settle_seconds": options.settle, "canary": tuple(options.canary) if options.canary else None}  # fmt: skip
    return replace(pace, **{key: value for key, value in given.items() if value is not None})


def _progress(options: argparse.Namespace, name: str, text: str) -> None:
    if not options.quiet:
        print(printable(f"{name}: {text}" if name else text), file=sys.stderr, flush=True)
