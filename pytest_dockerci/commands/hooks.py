"""The hooks of a run that has commands: they are collected, run and reported beside pytest's own tests.

A command runs whole, when pytest's loop comes to it: first its cases go through pytest's item protocol, each as soon
as it is known, then the command itself. What was selected among its cases decides what is reported.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from pytest_dockerci.commands.case import Case
from pytest_dockerci.commands.execution import Execution
from pytest_dockerci.commands.items import CaseItem, CommandItem, CommandTree
from pytest_dockerci.commands.known_cases import Key, keep_cases, known_cases
from pytest_dockerci.commands.live_output import LiveOutput
from pytest_dockerci.commands.selection import IDS, is_named
from pytest_dockerci.errors import DockerCIError, NotRunError, UnprovedError
from pytest_dockerci.masking import known
from pytest_dockerci.report_gate import FROM_CONTAINER, FROM_OTHER_IMAGE
from pytest_dockerci.state import state_directory

if TYPE_CHECKING:
    from pytest_dockerci.host_run import HostRun

_GONE = "it is not among the results any more"


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came of a command: see `items.CommandOutcome`."""

    seconds: float
    reasons: Sequence[str]
    sections: Sequence[tuple[str, str]]


@dataclass(slots=True, kw_only=True)
class _Group:
    """One command of this run.

    Attributes:
        item: Its node.
        known: Its cases of the last run.
        selected: Those that are to be reported.
        is_selected: The command itself is.
        seen: The cases of this run, in their order.
        outcome: What came of it.
        is_asked_for: Somebody has been told so.
    """

    item: CommandItem
    known: frozenset[Key]
    selected: dict[Key, CaseItem] = field(default_factory=dict)
    is_selected: bool = False
    seen: list[Key] = field(default_factory=list)
    outcome: Outcome | None = None
    is_asked_for: bool = False


class CommandHooks:
    """Registered where there are commands.

    Args:
        run: The host's run.
    """

    def __init__(self, run: HostRun) -> None:
        self._run = run
        self._config = run.config
        self._state_dir = state_directory(os.environ, run.settings.rootdir)
        self._groups: dict[int, _Group] = {}
        self._tree: CommandTree | None = None
        self._failure: DockerCIError | None = None
        self._has_told_failure = False
        self._is_running = False
        self._execution: Execution | None = None

    # Collection

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Add the commands, and the cases that are known."""
        rootdir = self._run.settings.rootdir
        tree = CommandTree(session, self, self._config.inipath or rootdir / "pytest.ini")
        self._tree = tree
        ids = self._config.stash.get(IDS, ())
        new: list[pytest.Item | pytest.Collector] = []
        for command in self._run.settings.commands:
            keys = known_cases(self._state_dir, command)
            item = tree.command(command)
            self._groups[command.number] = _Group(item=item, known=frozenset(keys))
            nodes = [item, *(tree.case(command, key) for key in keys)]
            new += [node for node in nodes if is_named(node.nodeid, ids)]
        self._require_known(ids, new)
        report = pytest.CollectReport(nodeid="dockerci", outcome="passed", longrepr=None, result=new)
        session.config.hook.pytest_collectreport(report=report)
        items[:0] = [node for node in new if isinstance(node, pytest.Item)]

    def _require_known(self, ids: Sequence[str], nodes: Sequence[pytest.Item | pytest.Collector]) -> None:
        for word in ids:
            if not any(is_named(node.nodeid, [word]) for node in nodes):
                raise pytest.UsageError(
                    f"not found: {word}\n  why: its last whole run had no such case\n"
                    "  try: name the command alone; its cases are known after its first whole run"
                )

    # Running

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Bring one node for each command into pytest's loop; have what they need ready."""
        option = session.config.option
        if (
            option.collectonly
            or option.setuponly
            or (session.testsfailed and not option.continue_on_collection_errors)
        ):
            return (yield)
        if not self._gather(session):
            return (yield)
        self._is_running = True
        for group in self._groups.values():
            self._tell_narrowed(group)
        self._prepare()
        if self._run.containers is not None:
            return (yield)
        with self._run.progress.phase("tests"):
            return (yield)

    def _gather(self, session: pytest.Session) -> bool:
        """Leave one node of each selected command in the session; note what is selected among its cases."""
        kept: list[pytest.Item] = []
        numbers: set[int] = set()
        for item in session.items:
            if not isinstance(item, (CommandItem, CaseItem)):
                kept.append(item)
                continue
            group = self._groups[item.command.number]
            if item.command.number not in numbers:
                numbers.add(item.command.number)
                kept.append(group.item)
            if isinstance(item, CaseItem):
                group.selected[item.key] = item
            else:
                group.is_selected = True
        session.items[:] = kept
        self._groups = {number: group for number, group in self._groups.items() if number in numbers}
        return bool(numbers)

    def _tell_narrowed(self, group: _Group) -> None:
        if len(group.selected) < len(group.known) or not group.is_selected:
            self._run.progress.line(
                f"dockerci: `{group.item.command.shown}` runs whole: {len(group.selected)} of the "
                f"{len(group.known)} cases of its last run are reported, and its own verdict"
            )

    def _prepare(self) -> None:
        try:
            environment = self._run.environment()
            self._run.wait_ready()
            environment.watch_over(self._break_off)
        except DockerCIError as error:
            self._failure = error

    def _break_off(self, error: DockerCIError) -> None:
        """What all of them need is gone. From any thread."""
        self._failure = self._failure or error
        if self._execution is not None:
            self._execution.break_off(str(error))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        """Run a command before pytest asks what came of it; report its cases as they come."""
        if not isinstance(item, CommandItem) or not self._is_running:
            return None
        group = self._groups[item.command.number]
        if not group.is_selected:
            item.session.testscollected += 1
        if self._failure is not None:
            item.failure = self._not_run(self._failure)
            self._report_missing(group, item.failure)
        else:
            self._run_command(group)
        # As with pytest's own tests, what comes after the last failure that is allowed is not reported.
        return True if item.session.shouldfail or item.session.shouldstop else None

    def _not_run(self, error: DockerCIError) -> str:
        if self._has_told_failure:
            return f"not run: {error.what} (the first such error tells more)"
        self._has_told_failure = True
        return f"not run: {error}"

    def _run_command(self, group: _Group) -> None:
        item = group.item
        try:
            execution = self._execute(group)
        except DockerCIError as error:
            self._note(error)
            item.failure = str(error)
            self._report_missing(group, f"`{item.command.shown}`: {error.what}")
            return
        if item.session.shouldfail or item.session.shouldstop:
            return
        reasons = execution.reasons()
        if execution.is_complete:
            keep_cases(self._state_dir, item.command, group.seen)
            self._report_gone(group)
        else:
            self._report_missing(
                group, f"`{item.command.shown}`: {reasons[0] if reasons else 'it was cut short'}"
            )
        group.outcome = self._outcome(execution, reasons)

    def _note(self, error: DockerCIError) -> None:
        if not isinstance(error, NotRunError):
            self._run.failure = self._run.failure or error

    def _execute(self, group: _Group) -> Execution:
        item = group.item
        live = LiveOutput(self._run.progress.output)
        is_live = self._config.getoption("capture", "no") == "no"
        execution = Execution(
            item.command,
            self._run.environment().command(item.command.number),
            mask=known(),
            timeout_seconds=self._run.settings.test_timeout_seconds,
            show=live.add if is_live else lambda _stream, _text: None,
        )
        self._execution = execution
        if self._failure is not None:
            raise self._failure
        try:
            with closing(execution.cases()) as cases:
                for case in cases:
                    group.seen.append(case.key)
                    self._report(group, case)
                    if item.session.shouldfail or item.session.shouldstop:
                        break
        finally:
            self._execution = None
            live.close()
        return execution

    def _report(self, group: _Group, case: Case) -> None:
        node = group.selected.pop(case.key, None)
        if node is None and case.key in group.known:
            return  # it was not selected
        if node is None:
            assert self._tree is not None  # noqa: S101 - they have been collected
            node = self._tree.case(group.item.command, case.key)
            group.item.session.testscollected += 1
        node.case = case
        self._report_node(group, node)

    def _report_node(self, group: _Group, node: CaseItem) -> None:
        node.ihook.pytest_runtest_protocol(item=node, nextitem=group.item)

    def _report_gone(self, group: _Group) -> None:
        for key, node in list(group.selected.items()):
            classname, name = key
            node.case = Case(classname=classname, name=name, outcome="skipped", message=_GONE)
            self._report_node(group, node)
        group.selected.clear()

    def _report_missing(self, group: _Group, why: str) -> None:
        session = group.item.session
        for node in list(group.selected.values()):
            if session.shouldfail or session.shouldstop:
                return
            node.not_run = why.removeprefix("not run: ").splitlines()[0]
            self._report_node(group, node)
        group.selected.clear()

    def _outcome(self, execution: Execution, reasons: Sequence[str]) -> Outcome:
        sections = []
        if self._config.getoption("capture", "no") != "no":
            texts = (("stdout", execution.stdout.text()), ("stderr", execution.stderr.text()))
            sections = [(f"Captured {name} call", text) for name, text in texts if text]
        return Outcome(seconds=execution.seconds, reasons=reasons, sections=sections)

    def outcome(self, item: CommandItem) -> Outcome:
        """What came of a command; one that pytest-rerunfailures asks for again, and has no cases, runs again."""
        group = self._groups[item.command.number]
        if group.is_asked_for and not group.seen and self._is_running:
            group.outcome = None
            self._run_command(group)
        group.is_asked_for = True
        reasons = [item.failure] if item.failure is not None else ["it was not run"]
        return group.outcome or Outcome(seconds=0.0, reasons=reasons, sections=())

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """What was lost is told by the exit code; a green run has a verdict of each command that was due."""
        self._run.failure = self._run.failure or self._failure
        silent = [group.item.nodeid for group in self._groups.values() if not group.is_asked_for]
        if self._is_running and silent and exitstatus == pytest.ExitCode.OK:
            self._run.failure = self._run.failure or UnprovedError(
                "the run is not proved to be green", why=f"{', '.join(silent)} has no verdict"
            )

    # Reports

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """The report of a command or a case says what the command and its results say."""
        report = yield
        if isinstance(item, (CommandItem, CaseItem)):
            setattr(report, FROM_CONTAINER, True)
            if item.command.service != self._run.settings.service:
                setattr(report, FROM_OTHER_IMAGE, True)
            item.complete(report, call)
        return report

    @pytest.hookimpl(tryfirst=True, optionalhook=True)
    def pytest_timeout_set_timer(self, item: pytest.Item) -> bool | None:
        """No timer of pytest-timeout: it would end the host's wait and not the command."""
        return True if isinstance(item, (CommandItem, CaseItem)) else None
