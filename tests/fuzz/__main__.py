"""``python -m tests.fuzz [TARGET...]``: feed hostile input to Earmark for as long as it is told (``make fuzz``).

Each target gets an equal share of the time. Ends with a table, and with exit code 1 where something was found; what was
found is kept, with how to run it again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from tests.fuzz import cage
from tests.fuzz.place import cleared
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

_BATCH = 100


def main() -> int:
    """Gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="all by default; --list tells them")
    parser.add_argument("--list", action="store_true", help="list the targets")
    parser.add_argument("--seconds", type=float, default=600.0, help="for all targets together (600)")
    parser.add_argument("--cases", type=int, help="so many cases of each target (fewer of slow ones) instead of a time")
    parser.add_argument("--seed", type=int, default=1, help="what is drawn (1)")
    parser.add_argument("--case", type=int, help="this case alone, here in this process, with its traceback")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-found"), help="folder for what is found (fuzz-found)")
    parser.add_argument("--json", action="store_true", help="the table as JSON")
    args = parser.parse_args()
    if args.list:
        print("\n".join(TARGETS))
        return 0
    if unknown := [name for name in args.targets if name not in TARGETS]:
        parser.error(f"there is no target {unknown[0]}; --list tells them")
    chosen = [TARGETS[name] for name in args.targets or TARGETS]
    with cleared():
        return _one(chosen[0], args.seed, args.case) if args.case is not None else _all(chosen, args)


def _all(chosen: Sequence[Target], args: argparse.Namespace) -> int:
    rows = []
    if not args.json:
        print(f"{'target':<22}{'cases':>8}{'found':>7}{'memory':>10}{'slowest':>10}")
    for target in chosen:
        row = _fuzz(target, args, args.seconds / len(chosen))
        rows.append(row)
        if not args.json:
            figures = f"{row['cases']:>8}{row['found']:>7}{row['grown_mb']:>7} MB{row['slowest_s']:>8} s"
            print(f"{target.name:<22}{figures}", flush=True)
    if args.json:
        print(json.dumps(rows))
    return int(any(row["found"] for row in rows))


def _fuzz(target: Target, args: argparse.Namespace, seconds: float) -> dict[str, Any]:
    seeds = target.seeds(Path(mkdtemp(prefix="earmark-fuzz-seeds-")))
    began, number = time.monotonic(), 0
    total = cage.Figures()
    known: set[str] = set()
    cases = None if args.cases is None else -(-args.cases // target.cost)
    batch = max(1, _BATCH // target.cost)
    while number < cases if cases is not None else time.monotonic() - began < seconds:
        count = batch if cases is None else min(batch, cases - number)
        figures = cage.run(target, seeds, args.seed, number, count)
        number += count
        total.grown_bytes = max(total.grown_bytes, figures.grown_bytes)
        if figures.slowest_seconds > total.slowest_seconds:
            total.slowest_seconds, total.slowest_case = figures.slowest_seconds, figures.slowest_case
        for trouble in figures.troubles:
            if trouble.where not in known:
                known.add(trouble.where)
                _keep(target, seeds, trouble, args)
    return {
        "target": target.name,
        "cases": number,
        "found": len(known),
        "grown_mb": total.grown_bytes >> 20,
        "slowest_s": round(total.slowest_seconds, 2),
        "slowest_case": total.slowest_case,
        "wall_s": round(time.monotonic() - began, 1),
    }


def _keep(target: Target, seeds: object, trouble: cage.Trouble, args: argparse.Namespace) -> None:
    args.keep.mkdir(parents=True, exist_ok=True)
    path = args.keep / f"{target.name}-{args.seed}-{trouble.number}"
    path.write_bytes(target.case(seeds, args.seed, trouble.number))  # type: ignore[arg-type]
    path.with_suffix(".txt").write_text(trouble.trace or trouble.what, encoding="utf-8", errors="backslashreplace")
    again = f"python -m tests.fuzz {target.name} --seed {args.seed} --case {trouble.number}"
    print(f"{trouble.where}\n    {trouble.what[:400]}\n    {again}", file=sys.stderr)


def _one(target: Target, seed: int, number: int) -> int:
    data = target.case(target.seeds(Path(mkdtemp(prefix="earmark-fuzz-seeds-"))), seed, number)
    found = cage.attempt(target, data)
    print(found["trace"] if found else "nothing is wrong with it")
    return int(found is not None)


if __name__ == "__main__":
    sys.exit(main())
