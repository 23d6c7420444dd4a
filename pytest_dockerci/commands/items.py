"""Commands and their cases as nodes of the host's collection tree. They know no Docker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest
from _pytest._code.code import ReprFileLocation, TerminalRepr

from pytest_dockerci.commands.case import Case
from pytest_dockerci.commands.known_cases import Key
from pytest_dockerci.commands.settings import CommandLine

ROOT_ID = "dockerci"


class CommandRunner(Protocol):
    """Runs commands."""

    def outcome(self, item: CommandItem) -> CommandOutcome:
        """What came of a command that has run; asked again, it may run it once more."""


class CommandOutcome(Protocol):
    """What came of a command.

    Attributes:
        seconds: How long it took.
        reasons: Why it failed; empty where it passed.
        sections: Titles and texts of what it printed.
    """

    seconds: float
    reasons: Sequence[str]
    sections: Sequence[tuple[str, str]]


class ResultText(TerminalRepr):
    """Why something failed, as pytest's reports want it: a text with a message and a place.

    Args:
        message: What went wrong.
        details: A stack or the like.
        place: Where that is written.
        file: The file that is to blame, as far as that is known.
        line: In it, from 1; 0 for none.
    """

    def __init__(self, message: str, details: str, place: str, file: str, line: int) -> None:
        self.message = message
        self.details = details
        self.place = place
        self.reprcrash = ReprFileLocation(path=file, lineno=line, message=message)

    def __str__(self) -> str:
        return "\n".join(line for _, line in self._lines())

    def toterminal(self, tw: Any) -> None:
        """Write it; what went wrong in red."""
        for is_message, line in self._lines():
            tw.line(line, **({"bold": True, "red": True} if is_message else {}))

    def _lines(self) -> Iterator[tuple[bool, str]]:
        yield from ((False, line) for line in self.details.splitlines())
        yield from ((True, f"E   {line}") for line in self.message.splitlines())
        if self.place:
            yield False, self.place


class CommandCollector(pytest.Collector):
    """Groups commands and cases: all of them, those of a service, those of a class."""

    shown: str

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        """Nothing: what is below it was made with it."""
        return ()

    def __repr__(self) -> str:
        return f"<{self.shown} {self.name}>"


class CommandItem(pytest.Item):
    """One command: its verdict, which covers all of its cases.

    Attributes:
        command: Which one.
        failure: Why it was not run; None where it was.
    """

    command: CommandLine
    runner: CommandRunner
    place: Path
    failure: str | None = None
    _outcome: CommandOutcome | None = None

    def setup(self) -> None:
        """Get what came of it."""
        self._outcome = None if self.failure is not None else self.runner.outcome(self)

    def runtest(self) -> None:
        """Raise if it has failed.

        Raises:
            AssertionError: It has, or was not run. IDEs know a failure from an error by this class.
        """
        reasons = (
            [self.failure] if self.failure is not None else self._outcome.reasons if self._outcome else ()
        )
        if reasons:
            raise AssertionError("\n".join(str(reason) for reason in reasons))

    def complete(self, report: pytest.TestReport, call: pytest.CallInfo[None]) -> None:
        """Put what came of it into the host's report of a phase."""
        if call.excinfo is not None and isinstance(call.excinfo.value, AssertionError):
            report.longrepr = ResultText(str(call.excinfo.value), "", "", str(self.place), 1)
        if report.when == "call" and self._outcome is not None:
            _set_time(report, self._outcome.seconds)
            report.sections += list(self._outcome.sections)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """The configuration file: it says what the command is."""
        return self.place, 0, f"{self.command.service}: {self.command.shown}"

    def __repr__(self) -> str:
        return f"<Command {self.name}>"


class CaseItem(pytest.Item):
    """One case of a command's results.

    Attributes:
        command: Whose.
        key: Class name and name.
        case: What came of it; None before it has.
        not_run: Why nothing came of it.
    """

    command: CommandLine
    key: Key
    place: Path
    case: Case | None = None
    not_run: str = ""

    def runtest(self) -> None:
        """Raise what its outcome is for pytest."""
        if self.case is None:
            raise AssertionError(f"not run: {self.not_run}")
        match self.case.outcome:
            case "failed":
                raise AssertionError(self.case.message)
            case "skipped":
                raise pytest.skip.Exception(self.case.message, _use_item_location=True)
            case "xfailed":
                raise pytest.xfail.Exception(self.case.message)
            case "passed" | "xpassed":
                pass

    def complete(self, report: pytest.TestReport, call: pytest.CallInfo[None]) -> None:
        """Put what the results say into the host's report of a phase."""
        case = self.case
        file, line = self._blamed()
        if call.excinfo is not None and isinstance(call.excinfo.value, AssertionError):
            details = case.details if case is not None else ""
            report.longrepr = ResultText(str(call.excinfo.value), details, self._told_where(), file, line)
        if case is None:
            return
        _set_time(report, case.seconds if report.when == "call" else 0.0)
        if report.when != "call":
            return
        if case.outcome == "xpassed":
            report.wasxfail = case.message
        texts = (("Captured stdout call", case.output), ("Captured stderr call", case.error_output))
        report.sections += [(title, text) for title, text in texts if text]
        report.user_properties += [*case.properties, ("results", case.origin)]
        if case.source:
            report.user_properties.append(("source", case.source))

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """The file that the results name, where rootdir has it; else the configuration file."""
        file, line = self._blamed()
        path = self.config.rootpath / file
        name = " > ".join(filter(None, (self.command.shown, *self.key)))
        try:
            is_ours = bool(file) and path.is_relative_to(self.config.rootpath) and path.is_file()
        except OSError:  # a name that no file can have
            is_ours = False
        return (path, max(line - 1, 0), name) if is_ours else (self.place, 0, name)

    def iter_markers_with_node(self, name: str | None = None) -> Iterator[tuple[Any, pytest.Mark]]:
        """The marks; pytest-rerunfailures is told that one case cannot be run again."""
        if name == "flaky":
            return iter([(self, pytest.Mark("flaky", (), {"reruns": 0}, _ispytest=True))])
        return super().iter_markers_with_node(name)

    def _blamed(self) -> tuple[str, int]:
        source = self.case.source if self.case is not None else ""
        file, _, line = source.partition(":")
        number = line.partition(":")[0]
        return file, int(number) if number.isdecimal() and len(number) < 9 else 0  # noqa: PLR2004 - a line

    def _told_where(self) -> str:
        if self.case is None:
            return ""
        return f"{self.case.source} ({self.case.origin})" if self.case.source else f"({self.case.origin})"

    def __repr__(self) -> str:
        return f"<Case {self.name}>"


def _set_time(report: pytest.TestReport, seconds: float) -> None:
    report.duration = seconds
    report.start = report.stop - seconds


class CommandTree:
    """Makes the nodes.

    Args:
        session: pytest's session.
        runner: Runs the commands.
        place: The file that says what the commands are.
    """

    def __init__(self, session: pytest.Session, runner: CommandRunner, place: Path) -> None:
        self._session = session
        self._runner = runner
        self._place = place
        self._collectors: dict[tuple[str, ...], CommandCollector] = {}

    def command(self, command: CommandLine) -> CommandItem:
        """The node of a command."""
        parent = self._collector("Service", command.service)
        item: CommandItem = CommandItem.from_parent(parent, name=command.shown, nodeid=command.nodeid)
        item.command, item.runner, item.place = command, self._runner, self._place
        _mark(item)
        return item

    def case(self, command: CommandLine, key: Key) -> CaseItem:
        """The node of a case."""
        classname, name = key
        names = [command.service, command.shown, *([classname] if classname else [])]
        parent = self._collector("Cases", *names)
        item: CaseItem = CaseItem.from_parent(parent, name=name, nodeid=f"{parent.nodeid}::{name}")
        item.command, item.key, item.place = command, key, self._place
        _mark(item)
        return item

    def _collector(self, shown: str, *names: str) -> CommandCollector:
        if names in self._collectors:
            return self._collectors[names]
        if names:
            kind = "Service" if len(names) == 2 else "Cases"  # noqa: PLR2004 - service and command
            parent: Any = self._collector(kind if len(names) > 1 else "Commands", *names[:-1])
            nodeid = f"{parent.nodeid}::{names[-1]}"
        else:
            parent, nodeid = self._session, ROOT_ID
        name = names[-1] if names else ROOT_ID
        node: CommandCollector = CommandCollector.from_parent(
            parent, name=name, nodeid=nodeid, path=self._place
        )
        node.shown = shown
        self._collectors[names] = node
        return node


def _mark(item: pytest.Item) -> None:
    item.own_markers.append(pytest.Mark("dockerci", (), {}, _ispytest=True))
    item.keywords["dockerci"] = True
