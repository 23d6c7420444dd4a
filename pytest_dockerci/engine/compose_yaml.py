"""Compose files as text: what one model changes about another, with Compose's own tags. Pure.

Source: Compose file reference, "Merge": ``!override`` replaces a value instead of merging it,
``!reset`` removes it (Compose 2.24.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

_SECTIONS = ("services", "networks", "volumes", "configs", "secrets")


@dataclass(frozen=True, slots=True)
class Override:
    """Stands in place of the value beneath it."""

    value: Any


@dataclass(frozen=True, slots=True)
class Reset:
    """Removes the value beneath it."""


class _Dumper(yaml.SafeDumper):
    """Writes every string in double quotes: YAML 1.1 and 1.2 disagree about plain ones."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write equal parts out: a Compose file with anchors of ours would puzzle its readers."""
        del data
        return True


def _represent_override(dumper: _Dumper, tagged: Override) -> yaml.Node:
    node = dumper.represent_data(tagged.value)
    node.tag = "!override"
    return node


_Dumper.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)
_Dumper.add_representer(Override, _represent_override)
_Dumper.add_representer(Reset, lambda dumper, _: dumper.represent_scalar("!reset", "null"))


def difference(base: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The smallest override file that turns one model into the other.

    Both are resolved models. What stands only in `wanted` is written plainly, what differs under
    `Override`, what is gone under `Reset`.
    """
    result: dict[str, Any] = {}
    for section in _SECTIONS:
        changes = _section_difference(base.get(section) or {}, wanted.get(section) or {})
        if changes:
            result[section] = changes
    return result


def _section_difference(base: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name in [*wanted, *(name for name in base if name not in wanted)]:
        if name not in wanted:
            result[name] = Reset()
        elif name not in base:
            result[name] = wanted[name]
        elif base[name] != wanted[name]:
            result[name] = _entry_difference(base[name] or {}, wanted[name] or {})
    return result


def _entry_difference(base: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key in [*wanted, *(key for key in base if key not in wanted)]:
        if key not in wanted:
            result[key] = Reset()
        elif key not in base or base[key] != wanted[key]:
            value = wanted[key]
            result[key] = Override(value) if key in base and isinstance(value, (dict, list)) else value
    return result


def write_yaml(model: Mapping[str, Any], *, comment: str = "") -> str:
    """A Compose file."""
    head = "".join(f"# {line}\n" for line in comment.splitlines())
    return head + yaml.dump(dict(model), Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True)
