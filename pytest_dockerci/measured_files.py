"""What the containers have measured: checked, put under host paths, written by coverage's own interface.

The rows come from a container and may be forged; nothing of them is opened or executed, only
numbers, texts and paths of files that the host has go on.
"""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from pytest_dockerci.agent import wire
from pytest_dockerci.paths import PathMap

_MAX_ROWS = 5_000_000
_MAX_NUMBERS = 100_000_000
_MAX_LINE = 1_000_000
# coverage keeps lines as bits: a high number costs space, however few there are.
_MAX_BITMAP_BYTES = 1024 * 1024 * 1024
_MAX_PATH_CHARACTERS = 4096
_MAX_TEXT_CHARACTERS = 65536
_INSTALLED = ("site-packages", "dist-packages")
_MAX_NAMED = 3


class DataFile(Protocol):
    """What is used of `coverage.CoverageData`."""

    def set_context(self, context: str | None) -> Any:
        """The context of what is added next."""

    def add_lines(self, line_data: Any) -> None:
        """Lines by file."""

    def add_arcs(self, arc_data: Any) -> None:
        """Pairs of lines by file."""

    def touch_files(self, filenames: Any, plugin_name: str | None = None) -> None:
        """Files of which nothing may have run."""


class MeasuredFiles:
    """Gathers the rows of all containers (`wire.Measured`).

    Args:
        has_branches: True when the rows must be arcs.
    """

    def __init__(self, *, has_branches: bool) -> None:
        self._kind = "arcs" if has_branches else "lines"
        self._numbers: dict[str, dict[str, list[array[int]]]] = {}
        self._files: dict[str, tuple[str, str]] = {}
        self._row_count = 0
        self._number_count = 0
        self._bitmap_bytes = 0

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take rows.

        Raises:
            wire.WireError: One is not what `wire.Measured` describes, or there are too many.
        """
        self._row_count += len(rows)
        for row in rows:
            if "numbers" in row:
                self._add_numbers(row)
            else:
                file, tracer, digest = (_checked_text(row, name) for name in ("file", "tracer", "digest"))
                self._files[_checked_path(file)] = (tracer, digest)
        too_many = self._row_count > _MAX_ROWS or self._number_count > _MAX_NUMBERS
        if too_many or self._bitmap_bytes > _MAX_BITMAP_BYTES:
            raise wire.WireError("more coverage than any suite has")

    def _add_numbers(self, row: Mapping[str, Any]) -> None:
        file, context = _checked_path(_checked_text(row, "file")), _checked_text(row, "context")
        numbers = row["numbers"]
        if row.get("kind") != self._kind or not isinstance(numbers, list):
            raise wire.WireError("coverage of another kind than was asked for")
        lowest = -_MAX_LINE if self._kind == "arcs" else 0
        if not all(type(number) is int and lowest <= number <= _MAX_LINE for number in numbers):
            raise wire.WireError("coverage names a line that no file has")
        if self._kind == "arcs" and len(numbers) % 2:
            raise wire.WireError("coverage names half a branch")
        self._number_count += len(numbers)
        self._bitmap_bytes += max(numbers, default=0) // 8 if self._kind == "lines" else 0
        self._numbers.setdefault(context, {}).setdefault(file, []).append(array("i", numbers))

    @property
    def files(self) -> Mapping[str, tuple[str, str]]:
        """Container paths, each with the coverage plugin that measured it (or empty) and its SHA-256."""
        return self._files

    def write(self, data: DataFile, host_paths: Mapping[str, str]) -> None:
        """Write what belongs to files that the host has.

        Args:
            data: Takes it.
            host_paths: Host path by container path; all other files are left out.
        """
        add = data.add_arcs if self._kind == "arcs" else data.add_lines
        add({})  # says which kind it is, also where no line has run
        for context, by_file in self._numbers.items():
            data.set_context(context)
            merged: dict[str, set[Any]] = {}
            for file, parts in by_file.items():
                if file in host_paths:
                    elements = merged.setdefault(host_paths[file], set())
                    for numbers in parts:
                        elements.update(
                            zip(numbers[::2], numbers[1::2], strict=True) if self._kind == "arcs" else numbers
                        )
            add(merged)
        by_tracer: dict[str, list[str]] = {}
        for file, (tracer, _) in self._files.items():
            if file in host_paths:
                by_tracer.setdefault(tracer, []).append(host_paths[file])
        for tracer, names in by_tracer.items():
            data.touch_files(names, tracer or None)


class HostFiles:
    """Which file of the host a measured file of a container stands for.

    Args:
        paths: The map between container and host paths.
        alias: What `[paths]` of the coverage configuration makes of a path.
        package_folders: Folders of the host that hold packages which the image may have installed.
    """

    def __init__(self, paths: PathMap, alias: Callable[[str], str], package_folders: Sequence[Path]) -> None:
        self._paths = paths
        self._alias = alias
        self._package_folders = package_folders
        self.missing: list[str] = []
        self.differing: list[str] = []

    def find_all(self, files: Mapping[str, tuple[str, str]]) -> dict[str, str]:
        """Host paths by container path. `missing` and `differing` tell of the others."""
        found = {}
        for file, (_, digest) in files.items():
            host_path = self._find(file, digest)
            if host_path is None:
                self.missing.append(file)
                continue
            found[file] = host_path
            if digest and _digest(Path(host_path)) not in (digest, ""):
                self.differing.append(host_path)
        return found

    def _find(self, file: str, digest: str) -> str | None:
        mapped = self._paths.to_host(file)
        if mapped is not None and mapped.is_file():
            return str(mapped)
        alias = self._alias(file)
        if alias != file and Path(alias).is_file():
            return os.path.abspath(alias)  # noqa: PTH100 - `resolve` would follow links, as coverage does not
        # The same file elsewhere: only by its content.
        return next((str(path) for path in self._elsewhere(file) if digest and _digest(path) == digest), None)

    def _elsewhere(self, file: str) -> list[Path]:
        """Where the host may have an installed file, and the same path."""
        parts = PurePosixPath(file).parts
        starts = [position + 1 for position, part in enumerate(parts) if part in _INSTALLED]
        if not starts:
            return [Path(file)]
        return [*(folder.joinpath(*parts[starts[-1] :]) for folder in self._package_folders), Path(file)]

    def remarks(self) -> list[str]:
        """What the user should know, one text each."""
        remarks = []
        if self.missing:
            remarks.append(
                f"{_named(self.missing)} not in the report, for the host has no such file: "
                "dockerci_paths (container=host) tells where their sources are"
            )
        if self.differing:
            remarks.append(
                f"{_named(self.differing)} not the same in the image and on the host: lines may be wrong"
            )
        return remarks


def _named(paths: Sequence[str]) -> str:
    shown = ", ".join(sorted(paths)[:_MAX_NAMED])
    more = len(paths) - _MAX_NAMED
    return f"{shown} and {more} more are" if more > 0 else f"{shown} {'is' if len(paths) == 1 else 'are'}"


def _checked_text(row: Mapping[str, Any], name: str) -> str:
    text = row.get(name)
    if not isinstance(text, str) or len(text) > _MAX_TEXT_CHARACTERS:
        raise wire.WireError(f"a row of coverage has no {name}")
    return text


def _checked_path(path: str) -> str:
    if len(path) > _MAX_PATH_CHARACTERS or "\0" in path or ".." in PurePosixPath(path).parts:
        raise wire.WireError("a row of coverage names no file")
    return path


def _digest(path: Path) -> str:
    """SHA-256 (hex) of a file; empty when it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
