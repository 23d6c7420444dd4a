"""Does with a pytest run what VS Code's adapter does with it, and sends the same messages.

Written after microsoft/vscode-python, `python_files/vscode_pytest/__init__.py` at 757def8 (July 2026):
loaded with ``-p vscode_pytest``; the tree is made from ``session.items`` when the session ends, results
are sent as reports come, to the pipe that TEST_RUN_PIPE names. The adapter itself is in no package index.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest


class Adapter:
    """One run, as the adapter sees it."""

    def __init__(self, pipe: str, *, is_discovery: bool) -> None:
        self._writer = Path(pipe).open("wb")  # noqa: SIM115 - the adapter keeps it to the end as well
        self._is_discovery = is_discovery
        self._errors: list[str] = []
        self._paths: dict[str, Path] = {}
        self._sent: set[str] = set()

    def pytest_exception_interact(self, node: Any, call: Any, report: Any) -> None:
        """Errors of the collection are the discovery's; those of tests are results."""
        if self._is_discovery:
            self._errors.append(call.excinfo.exconly())
        else:
            word = "failure" if call.excinfo.typename == "AssertionError" else "error"
            self._result(_absolute_id(node.nodeid, node.path), word, report.longreprtext)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Remember where the test lies; tests marked to be skipped are told before they run."""
        self._paths[item.nodeid] = item.path
        if any(mark.name == "skip" for mark in item.own_markers):
            self._result(_absolute_id(item.nodeid, item.path), "skipped", None)
        return (yield)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_report_teststatus(self, report: Any) -> Generator[None, object, object]:
        """Send the result of a call, and of a set-up that skips."""
        if report.when == "call" or (report.when == "setup" and report.skipped):
            word = "success" if report.passed else "failure" if report.failed else "skipped"
            path = self._paths.get(report.nodeid, Path.cwd())
            self._result(
                _absolute_id(report.nodeid, path), word, report.longreprtext if report.failed else None
            )
        return (yield)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Send the tree."""
        if self._is_discovery:
            tree = [_test_node(item) for item in session.items]
            self._send(status="error" if self._errors else "success", tests=tree, error=self._errors)
        self._writer.close()

    def _result(self, test_id: str, word: str, message: str | None) -> None:
        if test_id not in self._sent:
            self._sent.add(test_id)
            self._send(status="success", result={test_id: {"outcome": word, "message": message}})

    def _send(self, **params: Any) -> None:
        data = json.dumps({"jsonrpc": "2.0", "params": params})
        head = f"content-length: {len(data)}\r\ncontent-type: application/json\r\n\r\n"
        self._writer.write((head + data).encode())
        self._writer.flush()


def _test_node(item: Any) -> dict[str, Any]:
    """A test with what the adapter draws above it: classes, and a function for parameters."""
    above: list[str] = []
    parent = item.parent
    while isinstance(parent, pytest.Class):
        above.insert(0, parent.name)
        parent = parent.parent
    name = item.name
    if hasattr(item, "callspec"):
        above.append(item.originalname)
        name = "[" + name.split("[", 1)[1]
    return {
        "file": str(parent.path),
        "above": above,
        "name": name,
        "line": item.location[1] + 1 if item.location[1] is not None else None,
        "runID": _absolute_id(item.nodeid, item.path),
    }


def _absolute_id(nodeid: str, path: Path) -> str:
    return "::".join([str(path), *nodeid.split("::")[1:]])


def pytest_configure(config: pytest.Config) -> None:
    """Start, as the adapter does, where there is a pipe."""
    pipe = os.environ["TEST_RUN_PIPE"]
    config.pluginmanager.register(Adapter(pipe, is_discovery=config.option.collectonly))
