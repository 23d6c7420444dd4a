"""Where in the Compose files something stands that Compose's resolved model no longer says. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml


def mount_line(files: Sequence[Path], service: str, target: str) -> str:
    """``file:line`` of the volume that a service mounts at a path; the files' names where it cannot be told.

    It cannot where the line comes from `extends`, `include` or a variable.

    Args:
        files: Compose files, later ones override.
        service: Its name.
        target: The path in its containers.
    """
    for file in reversed(files):
        for node in _volumes(file, service):
            if _target(node) == target:
                return f"{file}:{node.start_mark.line + 1}"
    return ", ".join(map(str, files)) or "the Compose files"


def _volumes(file: Path, service: str) -> Iterator[yaml.Node]:
    try:
        node: yaml.Node | None = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, ValueError, yaml.YAMLError):
        return
    for key in ("services", service, "volumes"):
        node = _value(node, key)
    if isinstance(node, yaml.SequenceNode):
        yield from node.value


def _value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def _target(volume: yaml.Node) -> str:
    """The path in the container, of a volume in either of Compose's forms."""
    if isinstance(volume, yaml.ScalarNode):
        return next((part for part in str(volume.value).split(":")[1:] if part.startswith("/")), "")
    target = _value(volume, "target")
    return str(target.value) if isinstance(target, yaml.ScalarNode) else ""
