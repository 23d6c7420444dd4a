"""What tests of the container printed and said, on its way to the terminal: it gives no orders there.

Reports stay as they came, for files and for other plugins; pytest's own reporter gets copies
in which everything has gone through `terminal.printable`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import pytest
from _pytest._code.code import TerminalRepr
from _pytest.terminal import WarningReport

from pytest_dockerci.masking import known
from pytest_dockerci.terminal import printable

# Set on reports that came from a container; survives pytest-xdist's way of sending reports.
FROM_CONTAINER = "dockerci_from_container"
# And on those of them that came from a container of another image than the one under test.
FROM_OTHER_IMAGE = "dockerci_from_other_image"
# How pytest's reporter begins the line that replaces "collecting ..." on a terminal.
_REWRITTEN = "\rcollected "


class ReportGate:
    """Stands before what pytest's reporter shows, at once and at the end.

    Args:
        config: pytest's configuration.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> Generator[None, None, None]:
        """A test's line, with its reason or its subtest's name."""
        reporter: Any = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is None or not getattr(report, FROM_CONTAINER, False):
            return (yield)
        with _gated(reporter):
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logstart(self) -> Generator[None, None, None]:
        """A test's id, which parameters are part of, before it runs."""
        reporter: Any = self._config.pluginmanager.get_plugin("terminalreporter")
        with nullcontext() if reporter is None else _gated(reporter):
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_finish(self) -> Generator[None, None, None]:
        """The list of tests."""
        reporter: Any = self._config.pluginmanager.get_plugin("terminalreporter")
        with nullcontext() if reporter is None else _gated(reporter):
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> Generator[None, None, None]:
        """Have the reporter show copies."""
        stats: dict[str, list[Any]] = terminalreporter.stats
        raw = dict(stats)
        stats.update({name: [shown_report(report) for report in reports] for name, reports in raw.items()})
        try:
            return (yield)
        finally:
            stats.update(raw)


@contextmanager
def _gated(reporter: Any) -> Iterator[None]:
    """All that pytest's reporter writes goes through the gate."""
    writer = reporter._tw  # noqa: SLF001 - everything that is shown goes through it
    write = writer.write

    def write_gated(text: str, **markup: Any) -> None:
        own = "\r" if text.startswith(_REWRITTEN) else ""
        write(own + printable(text.removeprefix(own)), **markup)

    writer.write = write_gated
    try:
        yield
    finally:
        del writer.write


def shown_report(report: Any) -> Any:
    """A report, or a warning, as the terminal may show it; the same one where nothing in it has to change."""
    if isinstance(report, WarningReport):
        # pytest's reporter begins a line after each character that ends one for Python; escaped ones would end none.
        message = "\n".join(map(printable, report.message.splitlines()))
        return replace(report, message=message, nodeid=report.nodeid and printable(report.nodeid))
    if not getattr(report, FROM_CONTAINER, False):
        return report
    shown = _changed(report, printable)
    if printable(report.nodeid) != report.nodeid:  # parameters are part of it
        shown = copy.copy(shown)
        shown.nodeid = printable(report.nodeid)
        path, line, domain = report.location
        shown.location = (path, line, printable(domain))
    reason, context = getattr(report, "wasxfail", None), getattr(report, "context", None)
    if reason or context is not None:
        shown = copy.copy(shown)
        if reason:
            shown.wasxfail = printable(reason)
        if context is not None:
            shown.context = _shown_context(context)
    return shown


def _shown_context(context: Any) -> Any:
    """A subtest's name and values. Its class quotes the values that it is made with, so a copy is changed."""
    shown = copy.copy(context)
    if context.msg is not None:
        object.__setattr__(shown, "msg", printable(str(context.msg)))
    values = {
        key: type(value)(printable(value)) if isinstance(value, str) else value
        for key, value in context.kwargs.items()
    }
    object.__setattr__(shown, "kwargs", values)
    return shown


def without_secrets(report: Any) -> Any:
    """A report of the host's own without the secrets that this process knows."""
    return (
        _changed(report, known().hide) if known() and not getattr(report, FROM_CONTAINER, False) else report
    )


def _changed(report: Any, change: Callable[[str], str]) -> Any:
    sections = [(change(title), change(text)) for title, text in report.sections]
    longrepr = _changed_value(report.longrepr, change)
    if sections == report.sections and longrepr is report.longrepr:
        return report
    changed = copy.copy(report)
    changed.sections, changed.longrepr = sections, longrepr
    return changed


def _changed_value(value: Any, change: Callable[[str], str]) -> Any:
    """A value of pytest's representation of an error with all its texts changed; the same one where nothing changes."""
    match value:
        case str():
            text = change(value)
            return value if text == value else text
        case list() | tuple():
            parts = [_changed_value(part, change) for part in value]
            is_same = all(part is before for part, before in zip(parts, value, strict=True))
            return value if is_same else type(value)(parts)
        case TerminalRepr():
            values = {name: _changed_value(part, change) for name, part in vars(value).items()}
            if all(values[name] is part for name, part in vars(value).items()):
                return value
            changed = copy.copy(value)
            vars(changed).update(values)
            return changed
        case _:
            return value
