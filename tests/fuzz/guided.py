"""``python -m tests.fuzz.guided TARGET``: the same targets, led by what code their input reaches (atheris, libFuzzer).

Takes one target and a time; what is learnt stays in a folder, from which the next run goes on. Ends with exit code 0
where nothing was found. Needs atheris: ``pip install 'earmark[fuzz]'``. Fits targets that are Python all the way down;
``python -m tests.fuzz`` is for those in which C libraries do the work.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

FITTING = (
    "card-bytes",
    "settings",
    "environment",
    "mqtt-command",
    "mqtt-request",
    "mqtt-state",
    "audit-log",
    "trial-list",
    "cohort",
    "broker",
)


def main() -> int:
    """Gives the exit code, unless libFuzzer ends the process."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.guided", description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("target", metavar="TARGET", help=f"fitting ones: {', '.join(FITTING)}")
    parser.add_argument("--seconds", type=int, default=600, help="how long (600)")
    parser.add_argument(
        "--corpus", type=Path, default=Path("fuzz-corpus"), help="folder that it learns in (fuzz-corpus)"
    )
    args = parser.parse_args()
    try:
        import atheris
    except ImportError:
        parser.error("atheris is not installed; pip install 'earmark[fuzz]' (x86-64, Python 3.11 to 3.13)")
    with atheris.instrument_imports(include=["edge", "training.trials", "paho", "yaml"]):
        from tests.fuzz.targets import TARGETS
    if args.target not in TARGETS:
        parser.error(f"there is no target {args.target}; `python -m tests.fuzz --list` tells them")
    target = TARGETS[args.target]
    folder = args.corpus / target.name
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="earmark-fuzz-seeds-") as place:
        for number, seed in enumerate(target.seeds(Path(place))):
            (folder / f"seed-{number}").write_bytes(seed)

    def one(data: bytes) -> None:
        with TemporaryDirectory(prefix="earmark-fuzz-") as place:
            target.run(data, Path(place))

    limits = [f"-max_total_time={args.seconds}", "-timeout=30", "-rss_limit_mb=1024", "-max_len=65536"]
    atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={folder}/found-", str(folder)], one)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
