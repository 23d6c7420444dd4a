"""The container's reports as reports of the host: paths mapped, types restored, nothing imported."""

from __future__ import annotations

import builtins
import warnings
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_dockerci.agent import wire
    from pytest_dockerci.paths import PathMap

_COPIED_ATTRIBUTES = frozenset(
    {"outcome", "longrepr", "sections", "duration", "start", "stop", "user_properties"}
)
_KEPT_ATTRIBUTES = frozenset({"nodeid", "_id", "location", "keywords", "when"})


def transplant(config: pytest.Config, data: dict[str, Any], onto: pytest.TestReport, paths: PathMap) -> None:
    """Give the host's report of a phase everything that the container's report of it says.

    Node id, location and keywords stay the host's: plugins compare them by identity.
    """
    report = restore(config, data, paths)
    for name, value in report.__dict__.items():
        if name not in _KEPT_ATTRIBUTES:
            setattr(onto, name, value)
    if not hasattr(report, "wasxfail") and hasattr(onto, "wasxfail"):
        del onto.wasxfail


def restore(config: pytest.Config, data: dict[str, Any], paths: PathMap) -> Any:
    """The report object that the container's pytest (or a plugin of it) serialised.

    A type of report that no plugin of the host can read becomes a failed report that says so.
    """
    longrepr = data.get("longrepr")
    data = {**data, "longrepr": _map_longrepr(longrepr, paths)}
    try:
        report = config.hook.pytest_report_from_serializable(config=config, data=data)
    except Exception:  # noqa: BLE001 - pytest asserts that it knows the type; a plugin may trip over its own data
        report = None
    if report is None:
        report = pytest.TestReport(
            nodeid=str(data.get("nodeid", "")),
            location=("", None, ""),
            keywords={},
            outcome="failed",
            longrepr=f"the container sent a report of type {data.get('$report_type')!r}, which no plugin here can read",
            when="call",
        )
    if isinstance(report.longrepr, list):
        # JSON has no tuples; junitxml insists on one for skips.
        report.longrepr = tuple(report.longrepr)
    report.sections = [(title, text) for title, text in report.sections]
    if hasattr(report, "user_properties"):
        report.user_properties = [(name, value) for name, value in report.user_properties]
    if isinstance(getattr(report, "location", None), list):
        report.location = tuple(report.location)
    return report


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

    Its class is known here by its name only: nothing is imported because a container says so.
    """
    category = type(warned.category, (Warning,), {})
    host_path = paths.to_host(warned.filename)
    message = warnings.WarningMessage(
        message=category(warned.text),
        category=category,
        filename=str(host_path) if host_path is not None and host_path.exists() else warned.filename,
        lineno=warned.lineno,
    )
    location = tuple(warned.location) if warned.location else None
    config.hook.pytest_warning_recorded.call_historic(
        kwargs={
            "warning_message": message,
            "when": warned.when if warned.when in ("config", "collect", "runtest") else "runtest",
            "nodeid": warned.nodeid,
            "location": location,
        }
    )


def exception_like(class_names: Sequence[str], message: str) -> BaseException:
    """An exception that looks to host plugins as the container's did: same class name, same built-in base."""
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
        return _plain_instance(base, message)
    return _plain_instance(type(names[0], (base,), {}), message)


def _plain_instance(exception_type: type[BaseException], message: str) -> BaseException:
    try:
        return exception_type(message)
    except TypeError:  # a built-in that wants more arguments, such as UnicodeDecodeError
        stand_in: type[Exception] = type(exception_type.__name__, (Exception,), {})
        return stand_in(message)
