"""What a project wants in the container beside pytest, as written in `dockerci_requirements`."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from pytest_dockerci.engine.requirement_files import (
    FILE_OPTION,
    FILE_REQUIREMENT,
    GROUP_PREFIX,
    included_files,
)
from pytest_dockerci.errors import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class RequirementSet:
    """Requirements by kind.

    Attributes:
        rootdir: Where relative paths start, and the folder of ``pyproject.toml``.
        lines: Requirement strings.
        files: Requirement files, absolute.
        groups: Dependency groups of ``pyproject.toml`` (PEP 735).
    """

    rootdir: Path
    lines: tuple[str, ...]
    files: tuple[Path, ...]
    groups: tuple[str, ...]

    def fingerprint(self) -> list[str]:
        """Changes when any of the texts behind the requirements changes."""
        files = [path for file in self.files for path in included_files(file)]
        if self.groups:
            files.append(self.rootdir / "pyproject.toml")
        hashes = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()]
        return [*self.lines, *self.groups, *hashes]

    def flat_lines(self) -> list[str]:
        """All of them as lines of one requirement file, files and groups written out.

        Raises:
            SettingsError: ``pyproject.toml`` has no such group, or groups that include each other.
        """
        lines = list(self.lines)
        for file in self.files:
            for path in included_files(file):
                texts = path.read_text(encoding="utf-8", errors="replace").splitlines()
                lines += [text for text in texts if not FILE_OPTION.match(text)]
        for group in self.groups:
            lines += _group_lines(_read_groups(self.rootdir / "pyproject.toml"), group, ())
        return lines


def parse_requirements(texts: Sequence[str], rootdir: Path) -> RequirementSet:
    """Sort and check requirements.

    Args:
        texts: Requirement strings, ``-r FILE`` and ``group:NAME``.
        rootdir: Where relative paths start.

    Raises:
        SettingsError: One is none of these, or names a file that does not exist.
    """
    lines: list[str] = []
    files: list[Path] = []
    groups: list[str] = []
    for text in texts:
        if text.startswith(GROUP_PREFIX):
            groups.append(text.removeprefix(GROUP_PREFIX).strip())
            _require_file(rootdir / "pyproject.toml", text)
        elif match := FILE_REQUIREMENT.fullmatch(text):
            files.append(rootdir / match[1].strip())
            _require_file(files[-1], text)
        else:
            lines.append(_checked(text))
    return RequirementSet(rootdir=rootdir, lines=tuple(lines), files=tuple(files), groups=tuple(groups))


def _checked(text: str) -> str:
    try:
        return str(Requirement(text))
    except InvalidRequirement as error:
        raise SettingsError(
            f"dockerci_requirements: {text!r} is no requirement",
            why=str(error).splitlines()[0],
            fix="write for instance requests>=2, -r requirements-test.txt, or group:test",
        ) from error


def _require_file(file: Path, text: str) -> None:
    if not file.is_file():
        raise SettingsError(
            f"dockerci_requirements: {text!r} needs {file}, which does not exist",
            fix="correct dockerci_requirements, or create the file",
        )


def _read_groups(file: Path) -> dict[str, list[Any]]:
    if sys.version_info >= (3, 11):
        import tomllib  # noqa: PLC0415 - rarely needed
    else:
        import tomli as tomllib  # type: ignore[import-not-found]  # noqa: PLC0415 - pytest brings it where Python lacks it
    groups = tomllib.loads(file.read_text(encoding="utf-8")).get("dependency-groups", {})
    return {canonicalize_name(name): entries for name, entries in groups.items()}


def _group_lines(groups: dict[str, list[Any]], name: str, path: tuple[str, ...]) -> list[str]:
    """A dependency group with its includes. Source: PEP 735."""
    key = canonicalize_name(name)
    if key not in groups or key in path:
        raise SettingsError(
            f"dockerci_requirements: group:{name} cannot be read from pyproject.toml",
            why="it includes itself" if key in path else f"its groups: {', '.join(sorted(groups)) or 'none'}",
            fix="correct [dependency-groups]",
        )
    lines: list[str] = []
    for entry in groups[key]:
        if isinstance(entry, str):
            lines.append(entry)
        else:
            lines += _group_lines(groups, str(entry.get("include-group", "")), (*path, key))
    return lines
