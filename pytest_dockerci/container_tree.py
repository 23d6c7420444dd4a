"""The container's collection, arranged for the host's collectors to walk: a node of the host for each of its rows."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from pytest_dockerci.items import (
    ContainerClass,
    ContainerCollector,
    ContainerDirectory,
    ContainerFile,
    ContainerItem,
    SuiteRunner,
)
from pytest_dockerci.node_descriptions import Described, ParameterSet
from pytest_dockerci.stand_ins import stand_in

if TYPE_CHECKING:
    from pytest_dockerci.worker_ledger import Collection


class ContainerTree:
    """The container's collection, arranged for the host's collectors to walk."""

    def __init__(
        self, collection: Collection, runner: SuiteRunner, *, keeps_duplicates: bool = False
    ) -> None:
        self.runner = runner
        self.sides = collection.sides
        self._rows: list[dict[str, Any] | ContainerItem] = list(collection.rows)
        self._keeps_duplicates = keeps_duplicates
        self.index_of = {number: index for index, number in enumerate(collection.items)}
        self.deselected = frozenset(collection.deselected)
        self.reports = dict(collection.reports)
        self._children: dict[int, list[int]] = {}
        self._directories: dict[Path, list[int]] = {}
        self._files: dict[Path, list[int]] = {}
        self._hosts: list[Path] = []
        host_paths: dict[str, Path] = {}
        for number, row in enumerate(collection.rows):
            self._children.setdefault(row["parent"], []).append(number)
            path = row["path"]
            if path not in host_paths:
                host_paths[path] = runner.paths.to_host(path) or Path(path)
            host_path = host_paths[path]
            self._hosts.append(host_path)
            if row["kind"] == "directory":
                self._directories.setdefault(host_path, []).append(number)
            elif row["kind"] == "file":
                self._files.setdefault(host_path, []).append(number)

    def node(self, parent: Any, number: int) -> Any:
        """The host's node for a row; a test takes the place of its row, which is as large as the test."""
        row = self._rows[number]
        if isinstance(row, ContainerItem):
            return row
        node = make_node(parent, self, number, row)
        if isinstance(node, ContainerItem) and not self._keeps_duplicates:
            self._rows[number] = node
        return node

    def host_path(self, number: int) -> Path:
        """Host path of a node."""
        return self._hosts[number]

    def children(self, number: int) -> Iterable[int]:
        """Numbers of the nodes below a node."""
        return self._children.get(number, ())

    def directory_children(self, path: Path) -> Iterator[int]:
        """Numbers of the nodes directly in a host directory."""
        for number in self._directories.get(path, ()):
            yield from self.children(number)

    def directory_report(self, path: Path) -> dict[str, Any] | None:
        """The collection report of a directory that failed or was skipped."""
        for number in self._directories.get(path, ()):
            if number in self.reports:
                return self.reports[number]
        return None

    def files_at(self, path: Path) -> Iterable[int]:
        """Numbers of the file nodes of a host path: a file can be collected in more than one way."""
        return self._files.get(path, ())

    def directory_number(self, path: Path) -> int | None:
        """The number of a directory's node."""
        return next(iter(self._directories.get(path, ())), None)


def make_node(parent: Any, tree: ContainerTree, number: int, row: dict[str, Any]) -> Any:
    """The host's node for a row of the container's tree."""
    node: Any
    if row["kind"] == "directory":
        node = ContainerDirectory.from_parent(parent, path=tree.host_path(number))
        node.host_paths = getattr(parent, "host_paths", ())
    elif row["kind"] == "file":
        node = ContainerFile.from_parent(parent, path=tree.host_path(number))
    elif row["kind"] == "item":
        node = ContainerItem.from_parent(parent, name=row["name"], **_nodeid(parent, row))
        node.index = tree.index_of.get(number)
        path, line, domain = row["location"]
        # Most texts are those of other tests, or of this one's name; each would be there once more.
        domain = node.name if domain == node.name else domain
        node._location = (sys.intern(path), line, domain)  # noqa: SLF001 - our own class
        originalname = row.get("originalname")
        node.originalname = originalname and sys.intern(originalname)
        if row.get("callspec"):
            node.callspec = ParameterSet(*row["callspec"])
    else:
        kind = ContainerClass if row["kind"] == "class" else ContainerCollector
        node = kind.from_parent(parent, name=row["name"], **_nodeid(parent, row))
    _describe(node, row)
    node.tree = tree
    node.number = number
    node.type_name = sys.intern(row["type"])
    _add_keywords(node, row)
    return node


def _describe(node: Any, row: dict[str, Any]) -> None:
    """Give a node what plugins of the host look for behind it."""
    match row.get("python"):
        case [str(name)] if name and isinstance(node, ContainerFile):
            node.module = ModuleType(name)
        case [str(module), str(name)] if isinstance(node, ContainerClass):
            node.stands_for = stand_in(node.name, object, {"__module__": module, "__qualname__": name})
    if row.get("doc"):
        node.obj = Described({"__doc__": row["doc"]})
    if isinstance(row.get("function"), dict):
        node.obj = node.function = Described(row["function"])
        node.funcargs = {}


def _nodeid(parent: Any, row: dict[str, Any]) -> dict[str, str]:
    """The container's node id, where it is not what pytest would make of the names."""
    if row["nodeid"] == f"{parent.nodeid}::{row['name']}":
        return {}
    return {"nodeid": row["nodeid"]}


def _mark(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> pytest.Mark:
    # It has no public constructor that takes a name which the host did not register.
    return pytest.Mark(name, args, kwargs, _ispytest=True)


@lru_cache(maxsize=1000)
def _bare_mark(name: str) -> pytest.Mark:
    return _mark(name, (), {})


def _add_keywords(node: Any, row: dict[str, Any]) -> None:
    for name, args, kwargs in row["markers"]:
        has_values = args or kwargs
        node.own_markers.append(_mark(name, tuple(args), kwargs) if has_values else _bare_mark(name))
    # `-k` looks at the names of nodes and marks itself; a set of some more takes half a KiB.
    known = {node.name, *(mark.name for mark in node.own_markers)}
    node.extra_keyword_matches.update(word for word in row["keywords"] if word not in known)
    node.keywords.update(dict.fromkeys(row["keywords"], True))
