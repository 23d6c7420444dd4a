"""A listing of the suite without the container: what is known of files that have not changed, source for the rest.

Files that are as they were in the last collection keep their nodes. Of others, names and lines come
from the source (`source_tests`); a function that had parameters keeps those that were last seen.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from pytest_dockerci.agent import wire
from pytest_dockerci.collection_cache import KeptCollection
from pytest_dockerci.source_tests import NamePatterns, SourceClass, SourceTest, read_source
from pytest_dockerci.worker_ledger import Collection

_MARK = "dockerci"
_Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteSource:
    """Where the suite lies on the host and what pytest takes for tests.

    Attributes:
        rootdir: pytest's rootdir.
        paths: The suite, relative to it.
        container_root: The folder that stands for rootdir in the rows' paths.
        patterns: What is a class or function with tests.
        is_test_file: Whether a file that lies in a folder of the suite is to be read.
        is_left_out: Whether a file or folder is not collected (ignored, or the host's).
    """

    rootdir: Path
    paths: tuple[PurePosixPath, ...]
    container_root: PurePosixPath
    patterns: NamePatterns
    is_test_file: Callable[[Path], bool]
    is_left_out: Callable[[Path], bool]


def approximate_collection(
    source: SuiteSource, files: Mapping[str, str], known: KeptCollection | None, frame: str
) -> Collection:
    """The listing, in the form in which the container sends its own.

    Args:
        source: The suite.
        files: Its files relative to rootdir with the digests of their content.
        known: The last collection, of whatever state of the project.
        frame: How the suite is collected now.
    """
    listing = _Listing(source, files, None if known is None else _KnownNodes(known, frame))
    for path in source.paths:
        listing.add(path, -1, is_named=True)
    return Collection(
        rows=listing.rows,
        items=listing.items,
        deselected=listing.deselected,
        reports=listing.reports,
        digest="",
        sides=wire.Sides(
            plugins={}, markers=[] if known is None else known.collection.sides.markers, values=[]
        ),
        configured=wire.Configured(pytest="", rootdir=str(source.container_root), inifile=""),
    )


@dataclass
class _Listing:
    source: SuiteSource
    files: Mapping[str, str]
    known: _KnownNodes | None
    rows: list[_Row] = field(default_factory=list)
    items: list[int] = field(default_factory=list)
    deselected: list[int] = field(default_factory=list)
    reports: list[tuple[int, dict[str, Any]]] = field(default_factory=list)

    def add(self, path: PurePosixPath, parent: int, *, is_named: bool = False) -> None:
        """Add a file or folder with all below it."""
        host_path = self.source.rootdir / path
        if not is_named and self.source.is_left_out(host_path):
            return
        if not host_path.is_dir():
            self._add_file(path, host_path, parent, is_named=is_named)
            return
        kind = "Package" if (host_path / "__init__.py").exists() else "Dir"
        number = self._append(
            _row("directory", kind, path.name, self._container_path(path), str(path), parent)
        )
        for name in sorted(entry.name for entry in os.scandir(host_path)):
            self.add(path / name, number)

    def _add_file(self, path: PurePosixPath, host_path: Path, parent: int, *, is_named: bool) -> None:
        nodes = () if self.known is None else self.known.nodes_of(path, self.files.get(str(path)))
        if nodes:
            self._copy(nodes, parent)
        elif host_path.suffix == ".py" and (is_named or self.source.is_test_file(host_path)):
            self._read(path, host_path, parent)

    def _copy(self, nodes: Sequence[tuple[int, _Row]], parent: int) -> None:
        assert self.known is not None  # noqa: S101 - callers look first
        numbers: dict[int, int] = {}
        for old, row in nodes:
            container_path = self._container_path(self.known.relative(row))
            copied = {**row, "parent": numbers.get(row["parent"], parent), "path": container_path}
            numbers[old] = self._append(copied)
            if old in self.known.reports:
                self.reports.append((numbers[old], self.known.reports[old]))
        for taken, kept in ((self.items, self.known.items), (self.deselected, self.known.deselected)):
            taken += [numbers[old] for old in sorted(numbers.keys() & kept.keys(), key=kept.__getitem__)]

    def _read(self, path: PurePosixPath, host_path: Path, parent: int) -> None:
        number = self._append(
            _row("file", "Module", path.name, self._container_path(path), str(path), parent)
        )
        try:
            module = read_source(host_path.read_bytes(), self.source.patterns)
        except (SyntaxError, ValueError, OSError, RecursionError) as error:
            where = f"line {error.lineno}: " if isinstance(error, SyntaxError) else ""
            text = f"{path}: {where}{error.msg if isinstance(error, SyntaxError) else error}"
            self.reports.append((number, _failure(str(path), f"{type(error).__name__}: {text}")))
            return
        _add_marks(self.rows[number], module.marks)
        self._add_members(path, (), module.members, number)

    def _add_members(
        self,
        path: PurePosixPath,
        names: tuple[str, ...],
        members: Sequence[SourceTest | SourceClass],
        parent: int,
        *,
        is_unittest: bool = False,
    ) -> None:
        for member in members:
            nodeid = "::".join((str(path), *names, member.name))
            if isinstance(member, SourceClass):
                kind = "UnitTestCase" if member.is_unittest else "Class"
                row = _row("class", kind, member.name, self._container_path(path), nodeid, parent)
                _add_marks(row, member.marks)
                self._add_members(
                    path,
                    (*names, member.name),
                    member.members,
                    self._append(row),
                    is_unittest=member.is_unittest,
                )
                continue
            known = [] if self.known is None else self.known.parametrized(path, (*names, member.name))
            for seen in known or (None,):
                self._add_test(path, names, member, parent, seen, is_unittest=is_unittest)

    def _add_test(
        self,
        path: PurePosixPath,
        names: tuple[str, ...],
        test: SourceTest,
        parent: int,
        seen: _Row | None,
        *,
        is_unittest: bool,
    ) -> None:
        name = test.name if seen is None else str(seen["name"])
        nodeid = "::".join((str(path), *names, name))
        kind = "TestCaseFunction" if is_unittest else "Function"
        row = _row("item", kind, name, self._container_path(path), nodeid, parent)
        row["location"] = [str(path), test.line, ".".join((*names, name))]
        row["originalname"] = test.name
        _add_marks(row, (_MARK, *test.marks))
        if seen is not None:
            row |= {"type": seen["type"], "callspec": seen["callspec"]}
            row["keywords"] = sorted({*row["keywords"], *seen["keywords"]})
        self.items.append(self._append(row))

    def _append(self, row: _Row) -> int:
        self.rows.append(row)
        return len(self.rows) - 1

    def _container_path(self, path: PurePosixPath) -> str:
        return str(self.source.container_root / path)


class _KnownNodes:
    """The last collection, arranged by file and by function."""

    def __init__(self, kept: KeptCollection, frame: str) -> None:
        collection = kept.collection
        self._files = kept.files if kept.frame == frame else {}
        self.items = {number: position for position, number in enumerate(collection.items)}
        self.deselected = {number: position for position, number in enumerate(collection.deselected)}
        self.reports = dict(collection.reports)
        self._root = kept.container_root
        self._by_file: dict[str, list[tuple[int, _Row]]] = {}
        self._parametrized: dict[tuple[str, ...], list[_Row]] = {}
        file_of: dict[int, str] = {}
        names_of: dict[int, tuple[str, ...]] = {}
        for number, row in enumerate(collection.rows):
            if row["kind"] == "file":
                file_of[number] = str(self.relative(row))
                names_of[number] = (file_of[number],)
            elif row["parent"] in file_of:
                file_of[number] = file_of[row["parent"]]
                names_of[number] = (*names_of[row["parent"]], row["name"])
            else:
                continue
            self._by_file.setdefault(file_of[number], []).append((number, row))
            if row.get("callspec") and row.get("originalname"):
                key = (*names_of[row["parent"]], str(row["originalname"]))
                self._parametrized.setdefault(key, []).append(row)

    def relative(self, row: _Row) -> PurePosixPath:
        """The path of a node, relative to rootdir where it lies below it."""
        path = PurePosixPath(row["path"])
        return path.relative_to(self._root) if path.is_relative_to(self._root) else path

    def nodes_of(self, path: PurePosixPath, digest: str | None) -> Sequence[tuple[int, _Row]]:
        """The nodes of a file with their numbers, parents first; none when it is not as it was."""
        return self._by_file.get(str(path), ()) if digest == self._files.get(str(path), "") else ()

    def parametrized(self, path: PurePosixPath, names: tuple[str, ...]) -> list[_Row]:
        """The tests that a function was last seen to make with its parameters."""
        return self._parametrized.get((str(path), *names), [])


def _row(kind: str, type_name: str, name: str, path: str, nodeid: str, parent: int) -> _Row:
    return {
        "parent": parent,
        "kind": kind,
        "type": type_name,
        "name": name,
        "path": path,
        "nodeid": nodeid,
        "keywords": [],
        "markers": [],
    }


def _add_marks(row: _Row, marks: Sequence[str]) -> None:
    row["keywords"] += marks
    row["markers"] += [[mark, [], {}] for mark in marks]


def _failure(nodeid: str, text: str) -> dict[str, Any]:
    return {
        "$report_type": "CollectReport",
        "nodeid": nodeid,
        "outcome": "failed",
        "longrepr": text,
        "result": None,
        "sections": [],
    }
