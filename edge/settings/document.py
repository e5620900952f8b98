"""Read the YAML file into entries that still know their line and the text as written. The only door to PyYAML.

Takes: a path. Gives: entries and a list of problems.
Must hold: no value is constructed by YAML's own rules (where ``on`` is true, ``010`` is 8 and ``12:30`` is 750);
duplicate keys, tabs, tags and several documents are problems with a line number; a hostile file costs no more than its
size.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import yaml

from edge.errors import SettingsError

_LARGEST_FILE_BYTES: Final = 1 << 20
Kind = Literal["text", "quoted", "bool", "int", "float", "null", "list", "other", "environment"]
"""What YAML would make of a value; ``quoted`` is text in quotes, ``list`` one of texts, ``other`` another list, a group
or a date."""

_TAGS: Final[dict[str, Kind]] = {
    "tag:yaml.org,2002:str": "text",
    "tag:yaml.org,2002:bool": "bool",
    "tag:yaml.org,2002:int": "int",
    "tag:yaml.org,2002:float": "float",
    "tag:yaml.org,2002:null": "null",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One value as written. ``name`` is empty for the section itself, ``null`` where it is a proper one. ``line``
    counts from 1, 0 for the environment, where ``variable`` has the name. ``items``: those of a ``list``.
    """

    section: str
    name: str
    text: str
    kind: Kind
    line: int = 0
    variable: str = ""
    items: tuple[str, ...] = ()

    def where(self, section: str, name: str) -> str:
        """How a message calls this entry."""
        if self.variable:
            return self.variable
        full = f"{section}.{name}" if name else section
        return f"{full} (line {self.line})" if self.line else full


def read_document(path: Path) -> tuple[list[Entry], list[str]]:
    """The entries of a configuration file and what is wrong with its form.

    Raises ``SettingsError`` where the file cannot be read, or is not YAML at all.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_FILE_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SettingsError(
            f"the configuration file {path} cannot be read: {reason}",
            "Name an existing file with --config or $EARMARK_CONFIG, or remove the option to use the defaults.",
        ) from error
    if len(raw) > _LARGEST_FILE_BYTES:
        raise SettingsError(
            f"the configuration file {path} is larger than 1 MB", "Name Earmark's own file with --config."
        )
    try:
        root = yaml.compose(raw.decode("utf-8-sig"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        raise SettingsError(f"the configuration file {path} is not UTF-8 text", "Save it as UTF-8.") from error
    except RecursionError as error:
        raise SettingsError(
            f"the configuration file {path} is nested too deeply", "Write sections and keys only."
        ) from error
    except yaml.YAMLError as error:
        raise SettingsError(
            f"the configuration file {path} is not valid YAML: {_form(error)}", _form_remedy(error)
        ) from error
    if root is None:
        return [], []
    if not isinstance(root, yaml.MappingNode):
        return [], ["the file must hold sections such as `mqtt:` with keys below them"]
    entries: list[Entry] = []
    problems: list[str] = []
    for section, value in _pairs(root, "", problems):
        if isinstance(value, yaml.MappingNode):
            entries.append(Entry(section, "", "", "null", value.start_mark.line))  # the line above its first key
            entries += [_leaf(section, name, leaf) for name, leaf in _pairs(value, f"{section}.", problems)]
        else:
            entries.append(_leaf(section, "", value))
    return entries, problems


def _pairs(node: yaml.MappingNode, prefix: str, problems: list[str]) -> list[tuple[str, yaml.Node]]:
    """Keys and values of a group, the first of each key; anything else is a problem."""
    found: dict[str, yaml.Node] = {}
    lines: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            problems.append(f"line {line} has a list or a group where the name of a key must stand")
        elif key.value in found:
            problems.append(f"{prefix}{key.value} stands twice, in lines {lines[key.value]} and {line}")
        else:
            found[key.value] = value
            lines[key.value] = line
    return list(found.items())


def _leaf(section: str, name: str, node: yaml.Node) -> Entry:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        items = [_leaf(section, name, item) for item in node.value if isinstance(item, yaml.ScalarNode)]
        if len(items) == len(node.value) and all(item.kind in {"text", "quoted"} for item in items):
            return Entry(section, name, "", "list", line, items=tuple(item.text for item in items))
    if not isinstance(node, yaml.ScalarNode):
        return Entry(section, name, "", "other", line)
    kind = _TAGS.get(node.tag, "other")
    if kind == "text" and node.style in {"'", '"', "|", ">"}:
        kind = "quoted"
    return Entry(section, name, node.value, kind, line)


def _form(error: yaml.YAMLError) -> str:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return "it holds characters that YAML does not allow"
    problem = error.problem or error.context or "it cannot be parsed"
    if _is_tab(error):
        problem = "there is a tab"
    return f"{problem} in line {error.problem_mark.line + 1}"


def _form_remedy(error: yaml.YAMLError) -> str:
    if _is_tab(error):
        return "Use spaces instead of the tab."
    return "Check indentation, colons and quotes there; the sample file shows the form."


def _is_tab(error: yaml.YAMLError) -> bool:
    return isinstance(error, yaml.MarkedYAMLError) and "'\\t'" in (error.problem or "")
