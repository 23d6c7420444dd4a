"""How the container's collection becomes part of the host's: which node is whose, reports, order."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from _pytest.reports import CollectErrorRepr

from pytest_dockerci.container_tree import ContainerTree
from pytest_dockerci.items import ContainerDirectory, ContainerItem, ContainerNode
from pytest_dockerci.report_gate import FROM_CONTAINER
from pytest_dockerci.reports import exception_like, restore

ENVIRONMENT_NODEID = "dockerci::environment"


def hide_conftests(config: pytest.Config, suite: Sequence[Path], host_paths: Sequence[Path]) -> None:
    """Keep the host from importing the ``conftest.py`` files that belong to the container.

    pytest imports no ``conftest.py`` whose path is the name of a registered plugin.

    Args:
        config: pytest's configuration, before it has looked for conftest files.
        suite: Files and folders of the container's suite.
        host_paths: What stays on the host below them.
    """
    for path in suite:
        for conftest in _find_conftests(path, host_paths):
            # A root conftest.py is shared when the suite names it; a suite that is rootdir does not claim it.
            if conftest.parent != config.rootpath:
                config.pluginmanager.register(ModuleType("conftest"), name=str(conftest))


def _find_conftests(path: Path, left_out: Sequence[Path]) -> Iterator[Path]:
    for folder, folders, files in os.walk(path):
        here = Path(folder)
        folders[:] = [name for name in folders if here / name not in left_out and name != "__pycache__"]
        if "conftest.py" in files:
            yield here / "conftest.py"


class HostCollection:
    """The container's nodes on their way into the host's collection.

    Args:
        tree: The container's collection; None when there is none to show.
        host_paths: What stays on the host below the container's suite.
    """

    def __init__(self, tree: ContainerTree | None, host_paths: Sequence[Path] = ()) -> None:
        self._tree = tree
        self._host_paths = tuple(host_paths)

    def directory(self, parent: pytest.Collector, path: Path) -> pytest.Collector:
        """The node of a folder of the container's suite."""
        node: ContainerDirectory = ContainerDirectory.from_parent(parent, path=path)
        node.host_paths = self._host_paths
        if self._tree is None:
            node.tree = _EMPTY_TREE
            return node
        node.tree = self._tree
        node.number = self._tree.directory_number(path)
        return node

    def files(self, parent: pytest.Collector, path: Path) -> list[pytest.Collector]:
        """The nodes of a file that the suite names by itself."""
        tree = self._tree
        if tree is None:
            return []
        return [tree.node(parent, number) for number in tree.files_at(path)]

    def report(self, collector: pytest.Collector) -> pytest.CollectReport | None:
        """The container's report on a collector that failed or was skipped there."""
        if not isinstance(collector, ContainerNode) or (data := collector.remote_report()) is None:
            return None
        restored = restore(collector.config, data, collector.tree.runner.paths)
        report = pytest.CollectReport(
            # pytest 9.2 and newer: the id in parts, as a folder's name may hold a "::".
            nodeid=getattr(collector, "id", collector.nodeid),
            outcome=restored.outcome,
            longrepr=restored.longrepr,
            result=[],
            sections=restored.sections,
            **{FROM_CONTAINER: True},
        )
        if report.failed:
            # pytest tells plugins of the exception by it (IDEs show what they are told so).
            report.call = _call_that_raised(_collection_error(report.longrepr))  # type: ignore[attr-defined]
        if report.failed and isinstance(report.longrepr, str):
            report.longrepr = CollectErrorRepr(report.longrepr)
        return report

    def arrange(self, items: list[pytest.Item]) -> list[pytest.Item]:
        """Put the container's tests into the container's order; host tests keep their places.

        Returns:
            The tests that the container deselected, taken out of `items`.
        """
        deselected: list[pytest.Item] = [item for item in _container_items(items) if item.index is None]
        kept = [item for item in items if not (isinstance(item, ContainerItem) and item.index is None)]
        in_order = iter(sorted(_container_items(kept), key=lambda item: item.index or 0))
        items[:] = [next(in_order) if isinstance(item, ContainerItem) else item for item in kept]
        return deselected


def environment_report(text: str) -> pytest.CollectReport:
    """The one error that stands for a run whose environment never came up."""
    return pytest.CollectReport(nodeid=ENVIRONMENT_NODEID, outcome="failed", longrepr=text, result=[])


def _collection_error(longrepr: Any) -> BaseException:
    """The exception of a collector, as far as its report tells.

    Source: `Collector.repr_failure` of pytest: the text alone for a `CollectError`, a traceback for others.
    """
    crash = getattr(longrepr, "reprcrash", None)
    if crash is None:
        return exception_like(["CollectError"], str(longrepr))
    name, separator, message = str(crash.message).partition(": ")
    return exception_like([name.rpartition(".")[2]], message if separator else "")


def _call_that_raised(error: BaseException) -> pytest.CallInfo[None]:
    def fail() -> None:
        raise error

    return pytest.CallInfo.from_call(fail, "collect")


def _container_items(items: Iterable[pytest.Item]) -> list[ContainerItem]:
    return [item for item in items if isinstance(item, ContainerItem)]


class _NoTree:
    """A tree without nodes: of a folder that was not asked for, or whose environment failed."""

    def directory_children(self, _path: Path) -> Iterable[int]:
        return ()

    def directory_report(self, _path: Path) -> None:
        return None


_EMPTY_TREE: Any = _NoTree()
