"""``earmark frontier``.

Takes a table of encoders with errors and costs, gives a picture and says who is on the fronts; an exit code in the end.
Must hold: the picture is written whole or not at all.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from training.finish import finish

EXAMPLES: Final = """examples:
  earmark frontier encoders.tsv --out encoder-frontier.png
  earmark compare accurate baseline --speech ~/speech --json compare.json ~/trials/*.tsv
  earmark frontier compare.json --out encoder-frontier.png

A table is tab-separated with the columns name, family, parameters, macs_per_second, int8_mb, cpu_ms_per_s and one
eer:LIST per trial list (percent), or JSON with the same keys; a cost that is not known stays empty.
"""


def frontier(argv: Sequence[str] | None = None) -> int:
    """Run ``earmark frontier`` with the arguments after its name; gives the exit code."""
    return finish(_frontier, _parser().parse_args(argv))


def _frontier(options: argparse.Namespace) -> None:
    from training.report import frontier as report
    from training.report.evaluation import save

    entries = report.read(Path(options.table))
    save(Path(options.out), report.draw(entries))
    found = report.fronts(entries)
    lists = report.common_lists(entries)
    if options.json:
        means = {entry.name: report.mean_eer(entry, lists) for entry in entries}
        print(json.dumps({"picture": options.out, "lists": lists, "mean_eer": means, "fronts": found}, indent=1))
        return
    print(f"{len(entries)} encoders, mean EER over {', '.join(lists)}: {options.out}")
    for key, names in found.items():
        print(f"  front of {key}: {', '.join(names)}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="earmark frontier",
        description="Draw error against cost for a table of speaker encoders, and mark those that nothing beats.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("table", metavar="FILE", help="table of encoders, TSV or JSON")
    parser.add_argument("--out", metavar="PNG", default="encoder-frontier.png", help="the picture (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print means and fronts as JSON")
    return parser
