"""The inventory file as a tree of texts. The only door to PyYAML in this room.

Takes a path. Gives nested mappings, lists and texts, each with its line. Must hold: no value is made by YAML's own
rules (where ``on`` is true and ``010`` is 8); a key that stands twice is an error; a hostile file costs no more than
its size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from deploy.fleet.faults import InventoryError

_LARGEST_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Branch:
    """A value with its line, counted from 1. ``value``: text, list or mapping; an empty one is an empty text."""

    value: str | tuple[Branch, ...] | Mapping[str, Branch]
    line: int
    node: yaml.Node

    def mapping(self, what: str) -> Mapping[str, Branch]:
        """The mapping that this must be. Raises ``InventoryError``."""
        if self.value == "":
            return {}
        if not isinstance(self.value, Mapping):
            raise self.fault(f"{what} must have keys below it")
        return self.value

    def text(self, what: str) -> str:
        """The text that this must be. Raises ``InventoryError``."""
        if not isinstance(self.value, str):
            raise self.fault(f"{what} must be one value")
        return self.value

    def texts(self, what: str) -> tuple[str, ...]:
        """The list of texts that this must be; one text is a list of one. Raises ``InventoryError``."""
        if isinstance(self.value, str):
            return (self.value,) if self.value else ()
        if not isinstance(self.value, tuple):
            raise self.fault(f"{what} must be a list")
        return tuple(one.text(what) for one in self.value)

    def fault(self, what: str) -> InventoryError:
        """The error for this line."""
        return InventoryError(f"line {self.line}: {what}", "docs/fleet.md shows the form.")


def read(path: Path) -> Branch:
    """The file's content. Raises ``InventoryError``."""
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise InventoryError(
            f"the inventory {path} cannot be read: {error.strerror}", "Name one with --inventory, or write fleet.yaml."
        ) from error
    if len(raw) > _LARGEST_BYTES:
        raise InventoryError(f"the inventory {path} is larger than 1 MB", "Name the right file.")
    try:
        root = yaml.compose(raw.decode("utf-8-sig"), Loader=yaml.SafeLoader)
        return _branch(root, {}) if root is not None else Branch({}, 1, yaml.MappingNode("", []))
    except UnicodeDecodeError as error:
        raise InventoryError(f"the inventory {path} is not UTF-8 text", "Save it as UTF-8.") from error
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or "it cannot be parsed"
        raise InventoryError(
            f"the inventory {path} is not valid YAML: {what}{where}", "Check indentation and colons there."
        ) from error


def dump(tree: Mapping[str, Mapping[str, yaml.Node]]) -> str:
    """Sections of settings as YAML, each value as it was written."""
    sections = [
        (_word(name), _group([(_word(key), node) for key, node in keys.items()])) for name, keys in tree.items()
    ]
    return str(yaml.serialize(_group(sections), allow_unicode=True))


_MAP: Final = "tag:yaml.org,2002:map"


def _group(pairs: Sequence[tuple[yaml.ScalarNode, yaml.Node]]) -> yaml.MappingNode:
    return yaml.MappingNode(_MAP, list(pairs), flow_style=False)


def _word(text: str) -> yaml.ScalarNode:
    return yaml.ScalarNode("tag:yaml.org,2002:str", text)


def _branch(node: yaml.Node, known: dict[int, Branch | None]) -> Branch:
    """``known``: what was made of nodes before, None while it is being made: what is referred to a billion times is
    made once.
    """
    line = node.start_mark.line + 1 if node.start_mark else 1
    if id(node) in known:
        made = known[id(node)]
        if made is None:
            raise InventoryError(f"line {line}: this refers to itself", "Remove the anchor.")
        return made
    known[id(node)] = None
    branch = Branch(_value(node, known), line, node)
    known[id(node)] = branch
    return branch


def _value(node: yaml.Node, known: dict[int, Branch | None]) -> str | tuple[Branch, ...] | Mapping[str, Branch]:
    if isinstance(node, yaml.SequenceNode):
        return tuple(_branch(one, known) for one in node.value)
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Branch] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            if not name:
                raise InventoryError(f"line {key.start_mark.line + 1}: here the name of a key must stand")
            if name in found:
                raise InventoryError(f"line {key.start_mark.line + 1}: {name} stands twice", "Keep one of them.")
            found[name] = _branch(value, known)
        return found
    return "" if node.tag == "tag:yaml.org,2002:null" else str(node.value)
