"""``python -m edge.settings --markdown | --sample``: print the manual or the sample file."""

from __future__ import annotations

import argparse
import sys

from edge.settings.manual import markdown, sample


def main(argv: list[str] | None = None) -> int:
    """Print one of the generated documents; gives the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m edge.settings", description="Print a document made from the settings."
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--markdown", action="store_true", help="the text of docs/settings.md")
    what.add_argument("--sample", action="store_true", help="the text of deploy/templates/earmark.example.yaml")
    arguments = parser.parse_args(argv)
    sys.stdout.write(markdown() if arguments.markdown else sample())
    return 0


if __name__ == "__main__":
    sys.exit(main())
