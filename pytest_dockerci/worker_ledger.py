"""What the host knows about one worker: what it was asked for, what has come, what is due. Pure.

Everything that the host believes about a run is checked here: each test that was asked for is
reported exactly once and in order, and the end frame's counts are those of this ledger.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_dockerci.agent import wire
from pytest_dockerci.decode_gate import check_collect_report, check_collected, check_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """What the container's pytest collected.

    Attributes:
        rows: The nodes, parents first (`agent.tree`).
        items: Numbers of the selected tests, in the container's order.
        deselected: Numbers of the tests that the container deselected.
        reports: ``(node number or -1, serialised report)`` of collectors that failed or were skipped.
        digest: SHA-256 over the node ids.
        configured: Versions and paths of the container's pytest.
        sides: What it knows that the host has to know.
    """

    rows: Sequence[dict[str, Any]]
    items: Sequence[int]
    deselected: Sequence[int]
    reports: Sequence[tuple[int, dict[str, Any]]]
    digest: str
    configured: wire.Configured
    sides: wire.Sides


@dataclass(slots=True)
class TestRecord:
    """What came of one test.

    Attributes:
        passed: ``[index, start, setup, call, teardown]`` of a plain pass.
        reports: All other reports in order: ``(data, exception class names)``.
        stopped: The container ended its session during this test (`pytest.exit`, an interrupt).
        stop_request: The container asked to end the run after this test.
        recorded: What it recorded for the JUnit file.
        suite_properties: Of these, the properties of the whole suite: ``(name, value, how many times the test's
            worker has recorded both by now)``.
        died: The worker died in this test.
        order: How many results had come before.
    """

    __test__ = False

    passed: Sequence[float] | None = None
    reports: Sequence[tuple[dict[str, Any], list[str]]] = ()
    stopped: wire.Stopped | None = None
    stop_request: wire.Stopped | None = None
    recorded: wire.Recorded | None = None
    suite_properties: Sequence[tuple[str, str, int]] = ()
    died: wire.WorkerDied | None = None
    order: int = 0

    def add_report(self, data: dict[str, Any], exception: list[str]) -> None:
        """A report has come. Only now there is a list: most tests of a large suite never need one."""
        if not isinstance(self.reports, list):
            self.reports = []
        self.reports.append((data, exception))


@dataclass(slots=True)
class WorkerLedger:
    """One worker, from its start to its end.

    Attributes:
        finished: Its end frame.
        died: How it ended without one.
        waiting_after: The test, not a plain pass, after which it waits for the host.
        arrived: The tests whose results have come since somebody looked.
        completed: How many results have come.
    """

    finished: wire.Finished | None = None
    died: wire.WorkerDied | None = None
    waiting_after: int | None = None
    arrived: list[int] = field(default_factory=list)
    completed: int = 0
    _configured: wire.Configured | None = None
    _sides: wire.Sides = field(default_factory=lambda: wire.Sides(plugins={}, markers=[], values=[]))
    _rows: list[dict[str, Any]] = field(default_factory=list)
    _collect_reports: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    _collected: wire.Collected | None = None
    _open: dict[int, TestRecord] = field(default_factory=dict)
    _records: dict[int, TestRecord] = field(default_factory=dict)
    _outstanding: deque[int] = field(default_factory=deque)
    _asked: set[int] = field(default_factory=set)
    _dispatched: int = 0
    _cut_short: int = 0
    _suite_properties: Counter[tuple[str, str]] = field(default_factory=Counter)

    # What the host does

    def ask(self, indices: Sequence[int]) -> None:
        """Tests have been asked for."""
        self._outstanding += indices
        self._asked.update(indices)
        self._dispatched += len(indices)

    def ask_again(self, index: int) -> None:
        """The test that the worker waits after has been asked for once more."""
        self.forget(index)
        self._outstanding.appendleft(index)
        self._dispatched += 1
        self.waiting_after = None

    def forget(self, index: int) -> None:
        """A test is about to be run once more."""
        self._records.pop(index, None)

    def take_back(self) -> tuple[int, ...]:
        """The tests that were asked for and not reported; they are not expected any more."""
        indices = tuple(self._outstanding)
        self._outstanding.clear()
        return indices

    # What the host wants to know

    @property
    def has_ended(self) -> bool:
        """True when nothing more will come."""
        return self.finished is not None or self.died is not None

    @property
    def outstanding(self) -> tuple[int, ...]:
        """The tests asked for whose results have not come; the first one is running."""
        return tuple(self._outstanding)

    def is_asked_for(self, index: int) -> bool:
        """True when a test was asked for, whether its result has come or not."""
        return index in self._asked

    def record(self, index: int) -> TestRecord | None:
        """What came of a test."""
        return self._records.get(index)

    @property
    def has_collected(self) -> bool:
        """True when the collection is complete."""
        return self._collected is not None

    def take_collection(self) -> Collection | None:
        """The collection, once it is complete; a large one, so it is not kept here."""
        if self._collected is None or self._configured is None:
            return None
        rows, self._rows = self._rows, []
        return Collection(
            rows=rows,
            items=self._collected.items,
            deselected=self._collected.deselected,
            reports=self._collect_reports,
            digest=self._collected.digest,
            configured=self._configured,
            sides=self._sides,
        )

    def wrong_counts(self, finished: wire.Finished) -> str:
        """How the end frame disagrees with this ledger; empty when it agrees."""
        reported = self._dispatched - len(self._outstanding) - self._cut_short
        if finished.received <= self._dispatched and finished.reported == reported:
            return ""
        return (
            f"asked for {self._dispatched}, it says {finished.received}; "
            f"reported {reported}, it says {finished.reported}"
        )

    # What the worker says

    def file(self, message: wire.Message) -> None:
        """Take a message of the worker.

        Raises:
            wire.WireError: It was not due.
        """
        match message:
            case wire.Passed():
                for row in message.rows:
                    if len(row) != 5:  # noqa: PLR2004 - see `wire.Passed`
                        raise wire.WireError("a passed test has five numbers")
                    self._complete(int(row[0])).passed = tuple(row)
            case wire.Report():
                self._open_record(message.index).add_report(message.data, message.exception)
            case wire.Recorded():
                self._note_recorded(message)
            case wire.Done():
                self._complete(message.index)
                self.waiting_after = message.index
            case wire.Stopped():
                self._note_stop(message)
            case wire.WorkerDied():
                self._note_death(message)
            case _:
                self._file_session(message)

    def _file_session(self, message: wire.Message) -> None:
        match message:
            case wire.Configured():
                self._configured = message
            case wire.Sides():
                self._sides = message
            case wire.Nodes():
                check_rows(message.rows, len(self._rows))
                self._rows += message.rows
            case wire.CollectReport():
                check_collect_report(message, len(self._rows))
                self._collect_reports.append((message.node, message.data))
            case wire.Collected():
                check_collected(message, self._rows)
                self._collected = message
            case wire.Finished():
                self.finished = message
            case _:
                raise wire.WireError(f"{type(message).__name__} is not for the host")

    def _open_record(self, index: int) -> TestRecord:
        if not self._outstanding or index != self._outstanding[0]:
            raise wire.WireError(f"a report on test {index}, which was not due")
        return self._open.setdefault(index, TestRecord())

    def _complete(self, index: int) -> TestRecord:
        record = self._open_record(index)
        del self._open[index]
        self._outstanding.popleft()
        self._records[index] = record
        record.order = self.completed
        self.completed += 1
        self.arrived.append(index)
        return record

    def _note_recorded(self, recorded: wire.Recorded) -> None:
        record = self._open_record(recorded.index)
        record.recorded = recorded
        for row in recorded.suite:
            if len(row) != 2:  # noqa: PLR2004 - see `wire.Recorded`
                raise wire.WireError("a property of the suite has a name and a value")
            name, value = row
            self._suite_properties[name, value] += 1
            record.suite_properties = (
                *record.suite_properties,
                (name, value, self._suite_properties[name, value]),
            )

    def _note_stop(self, stopped: wire.Stopped) -> None:
        if not self._outstanding:
            return
        record = self._open_record(self._outstanding[0])
        if stopped.kind in ("exit", "interrupt"):
            record.stopped = stopped
            self._cut_short += 1
            self._complete(self._outstanding[0])
        else:
            record.stop_request = stopped

    def _note_death(self, died: wire.WorkerDied) -> None:
        self.died = died
        if died.index >= 0 and self._outstanding:
            self._open_record(died.index).died = died
            self._complete(died.index)
