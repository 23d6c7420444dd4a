"""A pytest plugin that writes every report of a run to a file; the acceptance tests read it.

Loaded with ``-p``; the variable REPORT_LOG names the file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest


class ReportLog:
    """Appends one JSON line for each event."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._path.write_text("")

    def _write(self, kind: str, **values: Any) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps({"kind": kind, **values}, default=repr) + "\n")

    def pytest_runtest_logreport(self, report: Any) -> None:
        """A test's report."""
        self._write(
            "test",
            type=type(report).__name__,
            nodeid=report.nodeid,
            when=report.when,
            outcome=report.outcome,
            wasxfail=getattr(report, "wasxfail", None),
            location=report.location,
            sections=report.sections,
            text=report.longreprtext,
            properties=[[_shown(part) for part in each] for each in getattr(report, "user_properties", [])],
            keywords=sorted(getattr(report, "keywords", {})),
            skip=list(report.longrepr[1:]) if isinstance(report.longrepr, tuple) else None,
            duration=report.duration,
            start=getattr(report, "start", 0.0),
            stop=getattr(report, "stop", 0.0),
        )

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A collector's report, when it says something."""
        if report.outcome != "passed":
            self._write("collect", nodeid=report.nodeid, outcome=report.outcome, text=report.longreprtext)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """The tests as they are selected at last."""
        self._write("items", nodeids=[item.nodeid for item in session.items])

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """The tests that were deselected."""
        self._write("deselected", nodeids=[item.nodeid for item in items])

    def pytest_warning_recorded(self, warning_message: Any, when: str, nodeid: str) -> None:
        """A warning."""
        self._write(
            "warning",
            when=when,
            nodeid=nodeid,
            category=warning_message.category.__name__,
            text=str(warning_message.message),
        )


def pytest_configure(config: pytest.Config) -> None:
    """Switch the log on, where a file is named for it."""
    path = os.environ.pop("REPORT_LOG", None)
    if path:
        config.pluginmanager.register(ReportLog(Path(path)))


def _shown(value: Any) -> Any:
    """A value that JSON gives back as it was; of any other, the text that a JUnit file shows."""
    try:
        return value if json.loads(json.dumps(value)) == value else str(value)
    except (TypeError, ValueError):
        return str(value)
