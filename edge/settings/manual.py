"""The manual of settings and the sample file, made from the sections.

Takes: nothing. Gives: ``markdown()`` for docs/settings.md and ``sample()`` for deploy/templates/earmark.example.yaml.
Must hold: the sample loads as it is, and with every key uncommented it gives the defaults.
"""

from __future__ import annotations

import textwrap
from typing import Any

from edge.settings.keys import Key
from edge.settings.loading import ENVIRONMENT
from edge.settings.sections import SECTIONS, describe
from edge.settings.values import expected

_INTRODUCTION = """# Settings

<!-- Made by `python -m edge.settings --markdown` from edge/settings/{sections,network}.py; change those, not this. -->

One YAML file, and every key in it is optional. The first of these that exists is read: `--config FILE`,
`$EARMARK_CONFIG`, `/etc/earmark/earmark.yaml`, `$XDG_CONFIG_HOME/earmark/earmark.yaml` (by default
`~/.config/earmark/earmark.yaml`). Without any, the defaults below hold.

Environment variables win over the file: `EARMARK_` + section + `__` + key in capitals, such as
`EARMARK_MQTT__HOST=broker.local`. A key left empty keeps its default.

An unknown key, a wrong type, a value out of bounds, a key that stands twice: each is an error that names the key and
its line, all of them are reported together, and the command ends with exit code 2. Secrets are read from files only.
"""


def markdown() -> str:
    """The text of docs/settings.md."""
    parts = [_INTRODUCTION]
    for section, kind in SECTIONS.items():
        parts.append(
            f"## {section}\n\n{_summary(kind)}\n\n| key | default | what may stand there | what it does "
            f"|\n|---|---|---|---|"
        )
        for key in describe(kind):
            parts.append(f"| `{key.name}` | {_default(key)} | {_cell(expected(key))} | {_cell(key.words.doc)} |")
        parts.append("")
    parts.append("## Variables that are no settings\n\n| variable | what it does |\n|---|---|")
    parts += [f"| `{name}` | {words} |" for name, words in ENVIRONMENT.items()]
    parts.append(
        "\nEarmark also heeds `STATE_DIRECTORY` and `CREDENTIALS_DIRECTORY` (set by systemd), `XDG_STATE_HOME` and "
        "`XDG_CONFIG_HOME`.\nAny other variable that begins with `EARMARK_` is an error, since it is most likely a "
        "misspelt one."
    )
    return "\n".join(parts) + "\n"


def sample() -> str:
    """The text of deploy/templates/earmark.example.yaml: all keys, commented out, with their defaults."""
    lines = [
        "# Earmark's settings. Every key is optional; what is commented out shows its default.",
        "# Copy this to /etc/earmark/earmark.yaml, and remove the # before what you want to change.",
        "# Made by `python -m edge.settings --sample`.",
    ]
    for section, kind in SECTIONS.items():
        lines += ["", f"{section}:  # {_summary(kind)}"]
        for key in describe(kind):
            text = f"{key.words.doc} ({expected(key)})" if key.kind is not str or key.choices else key.words.doc
            lines += [f"  ## {line}" for line in textwrap.wrap(text, 110)]
            lines.append(f"  # {key.name}: {yaml_value(key.default)}".rstrip())
    return "\n".join(lines) + "\n"


def yaml_value(value: Any) -> str:
    """A value as it stands in a YAML file."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return f"[{', '.join(value)}]"
    return str(value)


def _summary(kind: type) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0]


def _default(key: Key) -> str:
    shown = yaml_value(key.default)
    return f"`{shown}`" if shown not in {"", '""', "[]"} else "empty"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
