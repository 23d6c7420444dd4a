"""The plugin of the container's pytest: sends the tree, runs what the host asks for, sends reports."""

import io
import sys
from collections import deque
from types import ModuleType
from typing import Any, Deque, Dict, List, Optional

import pytest
from _pytest.terminal import TerminalReporter

from . import wire
from .channel import Channel
from .plain import safe_repr, to_plain
from .tree import Tree, digest_of

_NODES_PER_MESSAGE = 1000
_PHASES = ("setup", "call", "teardown")
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
    """

    def __init__(self, channel: Channel, start: wire.Start) -> None:
        self.received = 0
        self.reported = 0
        self._channel = channel
        self._start = start
        self._tree = Tree()
        self._deselected: List[Any] = []
        self._collect_reports: List[Any] = []
        self._collectors: Dict[int, Any] = {}
        self._queue: Deque[int] = deque()
        self._then = wire.THEN_WAIT
        self._current = -1
        self._reports: List[Any] = []
        self._exceptions: Dict[int, List[str]] = {}
        self._session_anchor: Optional[pytest.Item] = None

    # Configuration

    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests(self, early_config: Any) -> None:
        for path in self._start.hidden_conftests:
            # pytest imports no conftest.py whose path is registered already.
            early_config.pluginmanager.register(ModuleType("conftest"), name=path)

    @pytest.hookimpl(trylast=True)
    def pytest_addoption(self, parser: Any) -> None:
        known = getattr(parser, "_inidict", {})
        for name in self._start.known_ini:
            if name not in known:
                parser.addini(name, "known to the host's plugins only")

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: Any) -> None:
        config.addinivalue_line(
            "markers", "dockerci: set on every test that runs inside the image under test"
        )
        stock = config.pluginmanager.get_plugin("terminalreporter")
        if stock is not None:
            config.pluginmanager.unregister(stock)
            quiet = QuietReporter(config, _Nowhere())  # type: ignore[arg-type] # all of TextIO that is used
            config.pluginmanager.register(quiet, "terminalreporter")
        self._channel.send(
            wire.Configured(
                pytest=pytest.__version__,
                rootdir=str(config.rootpath),
                inifile=str(config.inipath or ""),
            )
        )

    # Collection

    @pytest.hookimpl(hookwrapper=True)
    def pytest_make_collect_report(self, collector: Any) -> Any:
        outcome = yield
        report = outcome.get_result()
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
        deselected = self._tree.numbers(self._deselected)
        failed = [
            (self._tree.number(self._collectors.get(id(report))), report) for report in self._collect_reports
        ]
        rows = self._tree.rows
        for start in range(0, len(rows), _NODES_PER_MESSAGE):
            self._channel.send(wire.Nodes(rows=to_plain(rows[start : start + _NODES_PER_MESSAGE])))
        for number, report in failed:
            self._channel.send(wire.CollectReport(node=number, data=_report_data(session.config, report)))
        self._channel.send(
            wire.Collected(items=items, deselected=deselected, digest=digest_of(session.items))
        )

    # Running

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: Any) -> bool:
        # Not in `pytest_collection_finish`: that is called for a collection that failed as well.
        self._send_collection(session)
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
        item = session.items[index]
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
        self.reported += 1
        if self._is_plain_pass() and not session.shouldfail and not session.shouldstop:
            setup, call, teardown = self._reports
            start = getattr(setup, "start", 0.0)
            row = [index, start, setup.duration, call.duration, teardown.duration]
            self._channel.send(wire.Passed(rows=[row]))
            return True
        self._send_reports(session)
        self._tell_stop(session)
        self._channel.send(wire.Done(index=index))
        return False

    def _is_plain_pass(self) -> bool:
        return tuple(report.when for report in self._reports) == _PHASES and all(
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
            self._channel.send(
                wire.Report(
                    index=self._current,
                    data=_report_data(session.config, report),
                    exception=self._exceptions.get(id(report), []),
                )
            )

    def _tell_stop(self, session: Any) -> None:
        """Pass on that something in the container asked the session to stop, and leave it to the host."""
        for kind in ("shouldfail", "shouldstop"):
            reason = getattr(session, kind)
            if reason:
                self._channel.send(wire.Stopped(kind=kind, reason=str(reason), exit_status=-1))

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: Any) -> Any:
        self._channel.send(wire.Phase(index=self._current, when="setup"))
        yield

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: Any) -> Any:
        self._channel.send(wire.Phase(index=self._current, when="call"))
        yield

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: Any) -> Any:
        self._channel.send(wire.Phase(index=self._current, when="teardown"))
        yield

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> Any:
        outcome = yield
        if call.excinfo is not None:
            self._exceptions[id(outcome.get_result())] = _class_names(call.excinfo.type)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        self._reports.append(report)

    # Warnings

    def pytest_warning_recorded(self, warning_message: Any, when: str, nodeid: str, location: Any) -> None:
        self._channel.send(
            wire.Warned(
                category=getattr(warning_message.category, "__name__", "Warning"),
                text=to_plain(str(warning_message.message)),
                filename=str(warning_message.filename),
                lineno=int(warning_message.lineno),
                when=when,
                nodeid=nodeid,
                location=to_plain(list(location)) if location else [],
            )
        )


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


class _Nowhere(io.TextIOBase):
    """A text stream that drops what is written to it."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        return len(text)


class _SessionAnchor(pytest.Item):
    """Stands for a next test of which only the session is known: session fixtures stay, all others go."""

    def runtest(self) -> None: ...


def _forget_fixtures(item: Any) -> None:
    """Let a function be set up afresh: its fixture values belong to the run before."""
    initialize = getattr(item, "_initrequest", None)
    if initialize is not None:
        initialize()


def _report_data(config: Any, report: Any) -> Dict[str, Any]:
    data = config.hook.pytest_report_to_serializable(config=config, report=report)
    if data is None:  # a plugin's report type that no plugin can write
        data = {"$report_type": type(report).__name__, "nodeid": report.nodeid, "longrepr": safe_repr(report)}
    return to_plain(data)  # type: ignore[no-any-return]


def _class_names(exception_type: Any) -> List[str]:
    names = []
    for base in exception_type.__mro__:
        names.append(base.__name__)
        if base.__module__ == "builtins":
            break
    return names
