"""The plugin of the container's pytest: sends the tree, runs what the host asks for, sends reports."""

import gc
import io
import sys
from collections import deque
from contextlib import suppress
from functools import partial
from types import ModuleType
from typing import Any, Deque, Dict, List, Optional

import pytest
from _pytest.terminal import TerminalReporter

from . import wire
from .channel import WorkerChannel
from .debugging import Debugging
from .fitting import fitting_payload, node_payloads
from .junit import JUnitRecords
from .report_data import class_names, report_data, warning_data
from .tree import Tree, digest_of
from .worker_memory import PHASES, WorkerMemory

# Attributes of a report that carry nothing beyond its outcome and times. A report with any
# other attribute (a plugin's) travels whole. `_id` is `nodeid` since pytest 9.2.
_ORDINARY_ATTRIBUTES = {
    "nodeid",
    "_id",
    "location",
    "keywords",
    "outcome",
    "longrepr",
    "when",
    "user_properties",
    "sections",
    "duration",
    "start",
    "stop",
}


class WorkerSession:
    """Everything between the container's pytest and the channel, for one session.

    Attributes:
        received: Number of tests the host asked for.
        reported: Number of tests whose reports were sent.
        quiet: Where the terminal reporter writes.
        debugging: Lends the terminal to debuggers; None where there is nothing to lend.
    """

    def __init__(self, channel: WorkerChannel, start: wire.Start, notes: WorkerMemory) -> None:
        self.received = 0
        self.reported = 0
        self._channel = channel
        self._start = start
        self._notes = notes
        self._tree = Tree()
        self._deselected: List[Any] = []
        self._collect_reports: List[Any] = []
        self._collectors: Dict[int, Any] = {}
        self._queue: Deque[int] = deque()
        self._then = wire.THEN_WAIT
        self._current = -1
        self._reports: List[Any] = []
        self._exceptions: Dict[int, List[str]] = {}  # by the report's id
        self._raised: Dict[str, Any] = {}  # by phase: as `pytest.CallInfo` has it
        self._session_anchor: Optional[pytest.Item] = None
        self._keyword_counts: List[int] = []
        self._junit = JUnitRecords()
        self.quiet = QuietStream()
        self.debugging: Optional[Debugging] = None

    # Configuration

    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests(self, early_config: Any) -> None:
        for path in self._start.hidden_conftests:
            # pytest imports no conftest.py whose path is registered already.
            early_config.pluginmanager.register(ModuleType("conftest"), name=path)

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: Any) -> None:
        self._tree.has_docs = bool(config.option.collectonly and config.option.verbose > 0)
        config.addinivalue_line(
            "markers", "dockerci: set on every test that runs inside the image under test"
        )
        stock = config.pluginmanager.get_plugin("terminalreporter")
        if stock is not None:
            config.pluginmanager.unregister(stock)
            reporter = QuietReporter(config, self.quiet)  # type: ignore[arg-type] # all of TextIO that is used
            config.pluginmanager.register(reporter, "terminalreporter")
        self._junit.configure(config)
        self._channel.send(
            wire.Configured(
                pytest=pytest.__version__,
                rootdir=str(config.rootpath),
                inifile=str(config.inipath or ""),
            )
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_unconfigure(self, config: Any) -> None:
        self._junit.unconfigure(config)

    # Collection

    @pytest.hookimpl(hookwrapper=True)
    def pytest_make_collect_report(self, collector: Any) -> Any:
        outcome = yield
        report = outcome.get_result()
        self._tree.number(collector)  # now, so that the host walks the tree in this order
        if report.outcome != "passed":
            self._collectors[id(report)] = collector

    def pytest_collectreport(self, report: Any) -> None:
        if report.outcome != "passed":
            self._collect_reports.append(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: List[Any]) -> None:
        for item in items:
            item.add_marker("dockerci")

    def pytest_deselected(self, items: List[Any]) -> None:
        self._deselected.extend(items)

    def _send_collection(self, session: Any) -> None:
        items = self._tree.numbers(session.items)
        self._keyword_counts = [_keyword_count(item) for item in session.items]
        deselected = self._tree.numbers(self._deselected)
        failed = [
            (self._tree.number(self._collectors.get(id(report))), report) for report in self._collect_reports
        ]
        rows = self._tree.rows
        for payload in node_payloads(rows):
            self._channel.send_payload(payload)
        for number, report in failed:
            self._channel.send(wire.CollectReport(node=number, data=report_data(session.config, report)))
        self._channel.send(
            wire.Collected(items=items, deselected=deselected, digest=digest_of(session.items))
        )

    # Running

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: Any) -> bool:
        # Not in `pytest_collection_finish`: that is called for a collection that failed as well.
        has_collector = gc.isenabled()
        gc.disable()  # it would go through all tests again and again while their rows are made
        self._send_collection(session)
        self._tree = Tree()  # what the rows took, plain pytest has free for the tests
        if has_collector:
            gc.enable()
        self._session_anchor = _SessionAnchor.from_parent(session, name="dockerci")
        while self._wait_for_work(session):
            if not self._run(session, self._queue.popleft()) and not self._wait_for_verdict(session):
                break
        return True

    def _wait_for_work(self, session: Any) -> bool:
        """Take the host's messages; true when a test may run, false at the end."""
        while True:
            message = self._channel.receive(wait=not self._is_next_known())
            if message is None:
                return True
            if isinstance(message, wire.Finish):
                return False
            if isinstance(message, wire.Run):
                self._append(session, message)

    def _wait_for_verdict(self, session: Any) -> bool:
        """After a test that was not a plain pass, the host decides: on, once more, or the end (false)."""
        while True:
            message = self._channel.receive(wait=True)
            if isinstance(message, wire.Run):
                self._append(session, message)
            elif isinstance(message, wire.Proceed):
                return True
            elif isinstance(message, wire.Finish):
                return False
            elif isinstance(message, wire.Again):
                self.received += 1
                _forget_fixtures(session.items[message.index])
                if self._run(session, message.index):
                    return True

    def _append(self, session: Any, message: wire.Run) -> None:
        if any(not 0 <= index < len(session.items) for index in message.indices):
            raise wire.WireError("the host asked for a test that was not collected")
        self._queue.extend(message.indices)
        self.received += len(message.indices)
        self._then = message.then

    def _is_next_known(self) -> bool:
        return len(self._queue) > 1 or (len(self._queue) == 1 and self._then != wire.THEN_WAIT)

    def _next_item(self, session: Any) -> Any:
        if self._queue:
            return session.items[self._queue[0]]
        if self._then >= 0:
            return session.items[self._then]
        return None if self._then == wire.THEN_END else self._session_anchor

    def _run(self, session: Any, index: int) -> bool:
        """Run one test and send what came of it; true for a plain pass."""
        self._current = index
        self._reports = []
        self._exceptions = {}
        self._raised = {}
        item = session.items[index]
        # What is written to the terminal then is of `--setup-show`.
        self.quiet.is_shown = bool(getattr(session.config.option, "setupshow", False))
        self._notes.begin(index)
        try:
            session.config.hook.pytest_runtest_protocol(item=item, nextitem=self._next_item(session))
        except pytest.exit.Exception as error:
            returncode = getattr(error, "returncode", None)
            self._send_reports(session)
            self._channel.send(
                wire.Stopped(
                    kind="exit", reason=str(error), exit_status=-1 if returncode is None else int(returncode)
                )
            )
            raise
        except KeyboardInterrupt:
            self._send_reports(session)
            self._channel.send(wire.Stopped(kind="interrupt", reason="KeyboardInterrupt", exit_status=-1))
            raise
        is_live = session.config.option.capture in ("no", "tee-sys")
        if is_live:
            for stream in (sys.stdout, sys.stderr):
                with suppress(Exception):  # a test can have put anything there
                    stream.flush()
        self.quiet.is_shown = False
        self.reported += 1
        recorded = self._junit.take(index)
        if recorded is not None:
            self._channel.send(recorded)
        if (
            recorded is None
            and not is_live  # what it printed has to be shown with its result: the next test waits
            and not (self.debugging is not None and self.debugging.was_used())  # as above
            and self._is_plain_pass(item)
            and not session.shouldfail
            and not session.shouldstop
        ):
            setup, call, teardown = self._reports
            start = getattr(setup, "start", 0.0)
            row = [index, start, setup.duration, call.duration, teardown.duration]
            if self._channel.sent != self._notes.handled:
                self._channel.send(wire.Passed(rows=[row]))
            elif self._notes.add_passed(row) or not self._is_next_known():
                self._channel.tell_of_news()
            return True
        self._send_reports(session)
        self._tell_stop(session)
        self._channel.send(wire.Done(index=index))
        return False

    def _is_plain_pass(self, item: Any) -> bool:
        if _keyword_count(item) != self._keyword_counts[self._current]:
            return False  # a marker or keyword that was added while it ran is among the report's keywords
        return tuple(report.when for report in self._reports) == PHASES and all(
            report.outcome == "passed"
            and not report.sections
            and not report.user_properties
            and type(report) is pytest.TestReport
            and _ORDINARY_ATTRIBUTES.issuperset(report.__dict__)
            for report in self._reports
        )

    def _send_reports(self, session: Any) -> None:
        for report in self._reports:
            # The terminal's question; pytest fails a test with failed subtests while it answers.
            session.config.hook.pytest_report_teststatus(report=report, config=session.config)
            self._channel.send_payload(fitting_payload(partial(self._report_message, session.config, report)))

    def _report_message(self, config: Any, report: Any, max_characters: int) -> wire.Report:
        return wire.Report(
            index=self._current,
            data=report_data(config, report, max_characters),
            exception=self._exceptions.get(id(report), []),
        )

    def _tell_stop(self, session: Any) -> None:
        """Pass on that something in the container asked the session to stop, and leave it to the host."""
        for kind in ("shouldfail", "shouldstop"):
            reason = getattr(session, kind)
            if reason:
                self._channel.send(wire.Stopped(kind=kind, reason=str(reason), exit_status=-1))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, call: Any) -> None:
        # Not a wrapper, which would cost more than all the rest of it.
        self._raised[call.when] = call.excinfo
        self._channel.require_whole()
        # No hook of ours runs within a phase: it would be in tracebacks, and take from the recursion limit.
        self._notes.enter(_phase_after(call.when, is_passed=call.excinfo is None))

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        if hasattr(getattr(report, "context", None), "kwargs"):
            self._notes.go_on()  # a subtest has ended, and not the call that it is part of
        self._reports.append(report)
        raised = self._raised.get(report.when)
        if raised is not None:
            self._exceptions[id(report)] = class_names(raised.type)

    # Warnings

    def pytest_warning_recorded(self, warning_message: Any, when: str, nodeid: str, location: Any) -> None:
        self._channel.send(warning_data(warning_message, when, nodeid, location))


class QuietReporter(TerminalReporter):  # type: ignore[misc] # final for type checkers only
    """Keeps the terminal reporter's API for plugins and conftest files, and prints nothing.

    The host's reporter shows everything; printing here as well would cost each test twice.
    """

    def pytest_runtest_logstart(self, nodeid: str, location: Any) -> None: ...

    def pytest_runtest_logreport(self, report: Any) -> None: ...

    def pytest_runtest_logfinish(self, nodeid: str) -> None: ...

    def pytest_internalerror(self, excrepr: Any) -> bool:
        for line in str(excrepr).split("\n"):
            sys.stderr.write("INTERNALERROR> " + line + "\n")
        return True


class QuietStream(io.TextIOBase):
    """A text stream that drops what is written to it, unless a debugger or `--setup-show` shows something.

    Attributes:
        is_shown: It goes to the standard output.
    """

    encoding = "utf-8"
    is_shown = False

    def write(self, text: str) -> int:
        if self.is_shown and sys.__stdout__ is not None:
            sys.__stdout__.write(text)
            sys.__stdout__.flush()
        return len(text)


class _SessionAnchor(pytest.Item):
    """Stands for a next test of which only the session is known: session fixtures stay, all others go."""

    def runtest(self) -> None: ...


def _forget_fixtures(item: Any) -> None:
    """Let a function be set up afresh: its fixture values belong to the run before."""
    initialize = getattr(item, "_initrequest", None)
    if initialize is not None:
        initialize()


def _keyword_count(item: Any) -> int:
    return len(item.own_markers) + len(getattr(item.keywords, "_markers", ()))


def _phase_after(when: str, *, is_passed: bool) -> str:
    """The phase that follows one; after the last one, a plugin may run the test once more."""
    if when == "teardown":
        return "setup"
    return "call" if when == "setup" and is_passed else "teardown"
