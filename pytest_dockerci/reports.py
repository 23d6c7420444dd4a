"""The container's reports as reports of the host: paths mapped, types restored, nothing imported."""

from __future__ import annotations

import builtins
import warnings
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any

import pytest
from _pytest._code.code import TerminalRepr

from pytest_dockerci.agent import wire
from pytest_dockerci.decode_gate import PHASES, lacks_verdict, problem_of_report
from pytest_dockerci.errors import NotRunError
from pytest_dockerci.junit_records import property_name
from pytest_dockerci.report_gate import FROM_CONTAINER
from pytest_dockerci.stand_ins import stand_in
from pytest_dockerci.warning_classes import warning_class

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_dockerci.paths import PathMap

# What the class of a report has itself, and a node of pytest-xdist, which stands for a worker of the host's.
_RESERVED = frozenset({*dir(pytest.TestReport), "node"}) - {"nodeid", "wasxfail"}
_KEPT_ATTRIBUTES = frozenset({"nodeid", "_id", "location", "keywords", "when"})


_CONTEXT = "_subtest.context"  # of a serialised subtest
_SUBTEST_REPORTS = frozenset({"SubtestReport", "SubTestReport"})


class AsShown(str):
    """A value of a subtest as the container shows it; its `repr` is itself."""

    __slots__ = ()
    __repr__ = str.__str__


class _ShownText(TerminalRepr):
    """An error of which only the text is known: shown in full, without a line in the short summary."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text

    def toterminal(self, tw: Any) -> None:
        """Write it; the lines that pytest marks as the error in red."""
        for line in self._text.splitlines():
            tw.line(line, red=line.startswith(("E  ", ">  ")))


def transplant(config: pytest.Config, data: dict[str, Any], onto: pytest.TestReport, paths: PathMap) -> None:
    """Give the host's report of a phase everything that the container's report of it says.

    Node id, location and keywords stay the host's: plugins compare them by identity.
    """
    report = restore(config, data, paths)
    for name, value in report.__dict__.items():
        if name not in _KEPT_ATTRIBUTES:
            setattr(onto, name, value)
    # Markers that were added while the test ran.
    keywords: Any = onto.keywords
    for keyword in getattr(report, "keywords", {}):
        keywords.setdefault(keyword, 1)
    if not hasattr(report, "wasxfail") and hasattr(onto, "wasxfail"):
        del onto.wasxfail


def restore(config: pytest.Config, data: dict[str, Any], paths: PathMap) -> Any:
    """The report object that the container's pytest (or a plugin of it) serialised.

    A type of report that no plugin of the host can read becomes a failed report that says so.
    """
    # Where a type stands: pytest's own reports, and its subtests since 9.1.
    kind = data.get("$report_type", data.get("_report_type"))
    wrong = problem_of_report(data, _RESERVED)
    if wrong:
        return _unreadable(data, f"the container sent a report that is none: {wrong}")
    try:
        report = _restored(config, data, paths)
    except Exception as error:  # noqa: BLE001 - pytest asserts that it knows the type; a plugin may trip over its data
        return _unreadable(data, f"the container sent a report that cannot be read: {type(error).__name__}")
    if report is None:
        return _unreadable(
            data, f"the container sent a report of type {kind!r:.60}, which no plugin here can read"
        )
    setattr(report, FROM_CONTAINER, True)
    return report


def _restored(config: pytest.Config, data: dict[str, Any], paths: PathMap) -> Any:
    data = {**data, "longrepr": _map_longrepr(data.get("longrepr"), paths)}
    is_shown_as_text = bool(data.pop(wire.SHOWN_AS_TEXT, False))
    kind = data.get("$report_type", data.get("_report_type"))
    report: Any = None
    with suppress(AssertionError):  # pytest's own way to say that it does not know the type
        report = config.hook.pytest_report_from_serializable(config=config, data=data)
        if report is None and str(kind) in _SUBTEST_REPORTS:
            # The host's pytest knows no subtests: they count as tests of their own.
            report = pytest.TestReport._from_json(data)  # noqa: SLF001 - as pytest itself reads one
    if report is None:
        return None
    _restore_context(report, data.get(_CONTEXT))
    if isinstance(report.longrepr, list):
        # JSON has no tuples; junitxml insists on one for skips.
        report.longrepr = tuple(report.longrepr)
    if is_shown_as_text and isinstance(report.longrepr, str):
        report.longrepr = _ShownText(report.longrepr)
    report.sections = [(title, text) for title, text in report.sections]
    if hasattr(report, "user_properties"):
        report.user_properties = [(property_name(name), value) for name, value in report.user_properties]
    if isinstance(getattr(report, "location", None), list):
        report.location = tuple(report.location)
    return report


def _unreadable(data: dict[str, Any], text: str) -> pytest.TestReport:
    """A failed report in the place of one that cannot be had."""
    when = data.get("when")
    report = pytest.TestReport(
        nodeid=str(data.get("nodeid", "")),
        location=("", None, ""),
        keywords={},
        outcome="failed",
        longrepr=text,
        when=when if when in PHASES else "call",
    )
    setattr(report, FROM_CONTAINER, True)
    return report


def require_verdict(reports: Sequence[dict[str, Any]]) -> None:
    """Check that the container has said what came of a test: without a report of its own, a phase counts as passed.

    Raises:
        NotRunError: It has not.
    """
    if lacks_verdict(reports):
        raise NotRunError(
            "the container's pytest gave no verdict on this test",
            why="it says that it is done with it, and sent no report of its call",
            fix="see which plugin of the container's pytest runs tests without reporting them",
        )


def with_plain_values(data: dict[str, Any]) -> dict[str, Any]:
    """A serialised report whose subtest's values are plain texts, which pytest-xdist can send."""
    context = data.get(_CONTEXT)
    if not isinstance(context, dict) or not isinstance(context.get("kwargs"), dict):
        return data
    values = {name: str(value) for name, value in context["kwargs"].items()}
    return {**data, _CONTEXT: {**context, "kwargs": values}}


def _restore_context(report: Any, shown: Any) -> None:
    """The values of a subtest, as the container shows them."""
    context = getattr(report, "context", None)
    if context is None or not isinstance(shown, dict) or not isinstance(shown.get("kwargs"), dict):
        return
    # A frozen class, which quotes what it is given.
    values = {name: AsShown(value) for name, value in shown["kwargs"].items()}
    object.__setattr__(context, "kwargs", values)


def _map_longrepr(longrepr: Any, paths: PathMap) -> Any:
    if isinstance(longrepr, str):
        return paths.translate_text(longrepr)
    if isinstance(longrepr, list) and longrepr and isinstance(longrepr[0], str):
        return [paths.shown(longrepr[0]), *longrepr[1:]]
    if not isinstance(longrepr, dict):
        return longrepr
    mapped = dict(longrepr)
    if "reprtraceback" in mapped:
        mapped["reprtraceback"] = _map_traceback(mapped["reprtraceback"], paths)
        mapped["reprcrash"] = _map_location(mapped.get("reprcrash"), paths)
    if mapped.get("chain"):
        mapped["chain"] = [
            [_map_traceback(traceback, paths), _map_location(crash, paths), description]
            for traceback, crash, description in mapped["chain"]
        ]
    if isinstance(mapped.get("longrepr"), str):
        mapped["longrepr"] = paths.translate_text(mapped["longrepr"])
    return mapped


def _map_traceback(traceback: dict[str, Any], paths: PathMap) -> dict[str, Any]:
    return {**traceback, "reprentries": [_map_entry(entry, paths) for entry in traceback["reprentries"]]}


def _map_entry(entry: dict[str, Any], paths: PathMap) -> dict[str, Any]:
    data = dict(entry["data"])
    if data.get("reprfileloc"):
        data["reprfileloc"] = _map_location(data["reprfileloc"], paths)
    if entry["type"] == "ReprEntryNative":
        data["lines"] = [paths.translate_text(line) for line in data["lines"]]
    return {**entry, "data": data}


def _map_location(location: dict[str, Any] | None, paths: PathMap) -> dict[str, Any] | None:
    if location is None:
        return None
    return {**location, "path": paths.shown(str(location["path"]))}


def record_warning(config: pytest.Config, warned: wire.Warned, paths: PathMap) -> None:
    """Record a warning of the container as one of this run.

    Its class is known here by its name only (`warning_classes`).
    """
    category = warning_class(warned.category)
    host_path = paths.to_host(warned.filename)
    message = warnings.WarningMessage(
        message=category(warned.text),
        category=category,
        filename=str(host_path) if host_path is not None and host_path.exists() else warned.filename,
        lineno=warned.lineno,
        line=warned.line,
        source=warned.source or None,
    )
    location = tuple(warned.location) if warned.location else None
    # pytest itself records warnings between the phases of a test, where a plugin's output is not captured.
    capture: Any = config.pluginmanager.get_plugin("capturemanager")
    with nullcontext() if capture is None else capture.global_and_fixture_disabled():
        config.hook.pytest_warning_recorded.call_historic(
            kwargs={
                "warning_message": message,
                "when": warned.when if warned.when in ("config", "collect", "runtest") else "runtest",
                "nodeid": warned.nodeid,
                "location": location,
            }
        )


def exception_of(data: dict[str, Any], class_names: Sequence[str]) -> BaseException:
    """The exception that made the container's pytest write this report.

    Args:
        data: The report, serialised.
        class_names: The exception's class and its bases, up to a built-in one.
    """
    longrepr = data.get("longrepr")
    shown = str(longrepr or "")
    if isinstance(longrepr, dict):
        crash = longrepr.get("reprcrash")
        shown = str(crash.get("message", "")) if isinstance(crash, dict) else ""
    elif isinstance(longrepr, list) and longrepr:
        shown = str(longrepr[-1])
    module, message = _take_apart(shown, next(iter(class_names), ""))
    return exception_like(class_names, message, module)


def _take_apart(shown: str, name: str) -> tuple[str, str]:
    """The module and the `str` of an exception of which pytest shows ``module.Name: message``, or parts of it."""
    before, separator, message = shown.partition(":")
    module, _, shown_name = before.rpartition(".")
    if not name or shown_name != name or not before.replace(".", "").isidentifier():
        return "", shown
    return module, message.removeprefix(" ") if separator else ""


def exception_like(class_names: Sequence[str], message: str, module: str = "") -> BaseException:
    """An exception that looks to host plugins as the container's did: same class name, same built-in base."""
    namespace = {"__module__": module or "builtins"}
    names = list(class_names) or ["Exception"]
    if "Skipped" in names:
        return pytest.skip.Exception(message, _use_item_location=True)
    if "XFailed" in names:
        return pytest.xfail.Exception(message)
    if names[0] == "Failed":
        return pytest.fail.Exception(message, pytrace=False)
    base: Any = getattr(builtins, names[-1], Exception)
    if not (isinstance(base, type) and issubclass(base, Exception)):
        base = Exception
    if base.__name__ == names[0]:
        return _plain_instance(base, message, namespace)
    return _plain_instance(stand_in(names[0], base, namespace), message, namespace)


def _plain_instance(
    exception_type: type[BaseException], message: str, namespace: dict[str, Any]
) -> BaseException:
    try:
        error = exception_type(message)
        if str(error) == message:
            return error
    except TypeError:  # a built-in that wants more arguments, such as UnicodeDecodeError
        exception_type = stand_in(exception_type.__name__, Exception, namespace)
    # Its own `str` is more than the message (KeyError's quotes it).
    as_is = {**namespace, "__str__": lambda _self: message}
    said = stand_in(exception_type.__name__, exception_type, as_is)
    told: BaseException = said(message)
    return told
