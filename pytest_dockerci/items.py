"""The container's tests as nodes of the host's collection tree.

Real nodes on real host paths, so that selection, reports, IDEs and plugins work as ever.
They know no Docker: what a test does is asked of a `SuiteRunner`.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from pytest_dockerci.errors import DockerCIError
from pytest_dockerci.junit_records import record_for_junit
from pytest_dockerci.reports import exception_of, require_verdict, restore, transplant
from pytest_dockerci.worker_death import WorkerDiedError, phase_of_death

if TYPE_CHECKING:
    from pytest_dockerci.container_tree import ContainerTree
    from pytest_dockerci.paths import PathMap
    from pytest_dockerci.worker_ledger import TestRecord

# Marks that the container has acted on; the host's pytest must not act on them once more.
_MARKS_OF_THE_CONTAINER = frozenset(
    {"skip", "skipif", "xfail", "usefixtures", "filterwarnings", "parametrize"}
)


class SuiteRunner(Protocol):
    """Runs the tests of the container."""

    paths: PathMap

    def record(self, item: ContainerItem) -> TestRecord:
        """Wait for what comes of a test.

        Raises:
            DockerCIError: The test was not run.
        """


class ContainerNode(pytest.Collector):
    """What all collectors of the container's tree share.

    Attributes:
        type_name: What pytest in the container calls its type.
    """

    tree: ContainerTree
    number: int | None = None
    type_name = "Dir"

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        """The nodes below, made from the container's rows."""
        if self.number is None:
            return
        for child in self.tree.children(self.number):
            yield self.tree.node(self, child)

    def remote_report(self) -> dict[str, Any] | None:
        """The container's collection report, when it failed or was skipped."""
        return None if self.number is None else self.tree.reports.get(self.number)

    def __repr__(self) -> str:
        return f"<{self.type_name} {self.name}>"


class ContainerFile(ContainerNode, pytest.File):
    """A file of the container's suite: a test module, a doctest file, or what its plugins collect.

    Attributes:
        module: Stands for the module, for plugins that group tests by it; None for other files.
    """

    module: ModuleType | None = None


class ContainerCollector(ContainerNode):
    """A class, or any other collector within a file."""


class ContainerClass(ContainerNode, pytest.Class):
    """A class of tests; plugins that draw a tree ask for `pytest.Class`.

    Attributes:
        stands_for: An empty class of the same names, for plugins that group tests by it.
    """

    stands_for: type | None = None


class ContainerDirectory(ContainerNode, pytest.Directory):
    """A folder of the container's suite; host tests below it are collected by the host.

    Attributes:
        host_paths: Files and folders that stay on the host, wherever they are.
    """

    host_paths: Sequence[Path] = ()

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        """The container's nodes in this folder, and what stays on the host below it."""
        nodes = [self.tree.node(self, child) for child in self.tree.directory_children(self.path)]
        host_nodes = list(self._host_nodes({node.path for node in nodes}))
        # By name, as pytest sorts a folder.
        return sorted([*nodes, *host_nodes], key=lambda node: node.path.name) if host_nodes else nodes

    def _host_nodes(self, known: Container[Path]) -> Iterator[pytest.Collector]:
        entries = [
            self.path / path.relative_to(self.path).parts[0]
            for path in self.host_paths
            if path != self.path and path.is_relative_to(self.path)
        ]
        for path in dict.fromkeys(entries):
            if path in known or (
                not self.session.isinitpath(path, with_parents=True)
                and self.ihook.pytest_ignore_collect(collection_path=path, config=self.config)
            ):
                continue
            if path.is_dir():
                collector = self.ihook.pytest_collect_directory(path=path, parent=self)
                yield from [] if collector is None else [collector]
            else:
                for collectors in self.ihook.pytest_collect_file(file_path=path, parent=self):
                    yield from collectors if isinstance(collectors, list) else [collectors]

    def remote_report(self) -> dict[str, Any] | None:
        """The container's collection report of this folder (a conftest.py that cannot be imported)."""
        return self.tree.directory_report(self.path)


class ContainerItem(pytest.Item):
    """One test of the container.

    Attributes:
        index: Its position in the container's collection; None when the container deselected it.
        seconds: How long it took in the container; 0 before it has run.
        type_name: What pytest in the container calls its type.
        xfail_reason: Why the phase that was reported last was expected to fail, as the container words it.
    """

    # Attributes beside pytest's own would double what a test takes.
    __slots__ = (
        *("tree", "type_name", "number", "index", "originalname", "xfail_reason", "seconds"),
        *("_location", "_record", "_raised"),
    )

    tree: ContainerTree
    type_name: str
    number: int
    index: int | None
    originalname: str | None
    _location: tuple[str, int | None, str]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.xfail_reason: str | None = None
        self.seconds = 0.0
        self._record: TestRecord | None = None
        self._raised: BaseException | None = None

    @property
    def module(self) -> ModuleType | None:
        """Stands for the test's module."""
        file = self.getparent(ContainerFile)
        return None if file is None else file.module

    @property
    def cls(self) -> type | None:
        """Stands for the test's class; pytest itself asks a test that has a `callspec` for it."""
        node = self.getparent(ContainerClass)
        return None if node is None else node.stands_for

    def setup(self) -> None:
        """Wait for the test's result; raise what its set-up raised."""
        self.take_record()
        self._raise_for("setup")

    def take_record(self) -> None:
        """Wait for the test's result; the reports of its phases are made from it."""
        self._record = None
        self._record = self.tree.runner.record(self)
        self.seconds = _seconds_of(self._record)
        record_for_junit(self.config, self.nodeid, self._record)

    def forget_record(self) -> None:
        """All its phases have been reported."""
        self._record = None

    def runtest(self) -> None:
        """Raise what the test raised."""
        self._raise_for("call")
        record = self._record
        if record is not None and not (record.passed or record.died or record.stopped):
            require_verdict([data for data, _ in record.reports])

    def teardown(self) -> None:
        """Raise what the test's tear-down raised."""
        self._raise_for("teardown")

    def _raise_for(self, when: str) -> None:
        record = self._record
        if record is None or record.passed is not None:
            return
        if record.died is not None and phase_of_death(record.died) == when:
            raise WorkerDiedError(record.died, self.tree.runner.paths)
        for data, class_names in record.reports:
            if data.get("when") == when and data.get("$report_type") == "TestReport" and class_names:
                self._raised = exception_of(data, class_names)
                raise self._raised
        if record.stopped is not None and not any(data.get("when") == when for data, _ in record.reports):
            stopped, record.stopped = record.stopped, None  # pytest tears down once more at the session's end
            if stopped.kind == "interrupt":
                raise KeyboardInterrupt
            status = stopped.exit_status
            raise pytest.exit.Exception(stopped.reason, returncode=None if status < 0 else status)

    def _repr_failure_py(self, excinfo: Any, style: Any = None) -> Any:
        """What pytest makes of an exception; of ours its text alone: the host's stack explains nothing, and is slow."""
        if excinfo.value is self._raised or isinstance(excinfo.value, (DockerCIError, WorkerDiedError)):
            return str(excinfo.value)
        return super()._repr_failure_py(excinfo, style)

    def report(self, report: pytest.TestReport) -> list[Any]:
        """Complete the host's report of a phase from the container's.

        Returns:
            Further reports of that phase (subtests), which come before it.
        """
        record = self._record
        self.xfail_reason = None
        if record is None:
            return []
        if record.passed is not None:
            _, start, *durations = record.passed
            phase = ("setup", "call", "teardown").index(report.when)
            report.duration = durations[phase]
            report.start = start + sum(durations[:phase])
            report.stop = report.start + report.duration
            return []
        further = []
        for data, _ in record.reports:
            if data.get("when") != report.when:
                continue
            if data.get("$report_type") == "TestReport":
                transplant(self.config, data, report, self.tree.runner.paths)
                self.xfail_reason = getattr(report, "wasxfail", None)
                self._explain_host_fixture(report)
            else:
                extra = restore(self.config, data, self.tree.runner.paths)
                extra.nodeid = self.nodeid
                further.append(extra)
        return further

    def _explain_host_fixture(self, report: pytest.TestReport) -> None:
        missing = re.search(r"fixture '(\w+)' not found", report.longreprtext) if report.failed else None
        fixtures = self.session._fixturemanager  # noqa: SLF001 - pytest has no public way to look for one
        if missing is not None and fixtures.getfixturedefs(missing[1], self):
            text = f"{missing[1]} is a fixture of the host: name this file in dockerci_host_suite to keep it there"
            report.sections.append(("dockerci", text))

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where the test is defined."""
        _, line, domain = self._location
        return self.path, line, domain

    @property
    def location(self) -> tuple[str, int | None, str]:
        """As the container's pytest gave it: the path relative to rootdir, the line from 0, the dotted name."""
        return self._location

    def iter_markers_with_node(self, name: str | None = None) -> Iterator[tuple[Any, pytest.Mark]]:
        """The marks; those that the container acts on only when all are asked for (as ``-m`` does)."""
        if name in _MARKS_OF_THE_CONTAINER:
            return iter(())
        return super().iter_markers_with_node(name)

    def __repr__(self) -> str:
        return f"<{self.type_name} {self.name}>"


def _seconds_of(record: TestRecord) -> float:
    if record.passed is not None:
        return sum(record.passed[2:])
    return sum(float(data.get("duration") or 0.0) for data, _ in record.reports)
