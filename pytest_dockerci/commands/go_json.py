"""What ``go test -json`` prints as cases, line by line as they come. Pure.

Source: `go doc test2json` (Go 1.20 to 1.24): one event a line; ``Action``, ``Package``, ``Test``, ``Elapsed``
(seconds), ``Output``; since 1.24 ``build-output`` and ``build-fail``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from pytest_dockerci.commands.case import MAX_CASES, Case, Names, Outcome, bounded, one_line

_ENDS: dict[str, Outcome] = {"pass": "passed", "fail": "failed", "skip": "skipped", "bench": "passed"}
_KEPT_CHARACTERS = 64 << 10
# What Go itself prints around a test.
_FRAMING = ("=== RUN", "=== PAUSE", "=== CONT", "=== NAME", "--- PASS", "--- FAIL", "--- SKIP")


@dataclass(slots=True)
class _Output:
    pieces: list[str] = field(default_factory=list)
    characters: int = 0

    def add(self, text: str) -> None:
        self.pieces.append(text)
        self.characters += len(text)
        while self.characters > _KEPT_CHARACTERS and len(self.pieces) > 1:
            self.characters -= len(self.pieces.pop(0))

    def text(self) -> str:
        return bounded("".join(piece for piece in self.pieces if not piece.lstrip().startswith(_FRAMING)))


@dataclass(slots=True)
class _Package:
    running: dict[str, None] = field(default_factory=dict)
    failed: int = 0
    has_ended: bool = False
    output: _Output = field(default_factory=_Output)


class GoJsonParser:
    """Takes the lines.

    Args:
        origin: Where they come from.
        is_strict: Every line must be an event, as in a file; on standard output others may print as well.

    Attributes:
        problems: Why the results cannot be trusted; complete after `close`.
        shown: What a person would have seen in place of the last line.
    """

    def __init__(self, origin: str, *, is_strict: bool) -> None:
        self._origin = origin
        self._is_strict = is_strict
        self._names = Names()
        self._packages: dict[str, _Package] = {}
        self._outputs: dict[tuple[str, str], _Output] = {}
        self._events = 0
        self._cases = 0
        self._lines = 0
        self.problems: list[str] = []
        self.shown = ""

    def feed(self, line: str) -> list[Case]:
        """The cases that a line completes."""
        self._lines += 1
        self.shown = line
        text = line.strip()
        if not text:
            return []
        event = _event(text)
        if event is None:
            looks_like_one = text.startswith(('{"Time"', '{"Action"', '{"Import', '{"Package"'))
            if self._is_strict or looks_like_one:
                self._problem(
                    f"{self._origin}, line {self._lines} is no event of `go test -json`: was it cut off?"
                )
            return []
        self._events += 1
        self.shown = event.get("Output") or ""
        return self._take(event)

    def close(self) -> list[Case]:
        """The tests that did not end; then `problems` is complete."""
        cases = []
        if not self._events:
            self.problems.append(f"{self._origin} holds no event of `go test -json`")
        for name, package in self._packages.items():
            if not package.has_ended:
                self._problem(f"{self._origin} does not say how package {name} ended: was it cut off?")
                cases += [
                    self._finish(name, test, "failed", 0.0, "it did not end")
                    for test in list(package.running)
                ]
        if self._events and not self._cases and not cases:
            self.problems.append(f"{self._origin} has no case in it")
        return cases

    def _take(self, event: dict[str, Any]) -> list[Case]:
        action, test = event["Action"], str(event.get("Test") or "")
        name = str(event.get("Package") or event.get("ImportPath") or "").partition(" ")[0]
        package = self._packages.get(name)
        if package is None:
            package = self._packages.setdefault(name, _Package())
        if action in ("output", "build-output"):
            text = str(event.get("Output") or "")
            (self._outputs.setdefault((name, test), _Output()) if test else package.output).add(text)
            if action == "build-output":
                package.has_ended = True  # a package that is only built has no other end
            return []
        if action == "build-fail":
            package.has_ended = True
            return [self._package_failed(name, package, "it could not be built")]
        if action == "run":
            package.running[test] = None
            return []
        if action not in _ENDS:
            return []
        seconds = _seconds(event.get("Elapsed"))
        return (
            self._test_ended(name, test, _ENDS[action], seconds)
            if test
            else self._package_ended(name, action)
        )

    def _test_ended(self, name: str, test: str, outcome: Outcome, seconds: float) -> list[Case]:
        if self._cases >= MAX_CASES:
            self._problem(f"{self._origin} has more than {MAX_CASES} cases")
            return []
        return [self._finish(name, test, outcome, seconds, "")]

    def _package_ended(self, name: str, action: str) -> list[Case]:
        package = self._packages[name]
        package.has_ended = True
        cases = [self._finish(name, test, "failed", 0.0, "it did not end") for test in list(package.running)]
        if action == "fail" and not package.failed:
            cases.append(self._package_failed(name, package, "the package failed, and none of its tests did"))
        return cases

    def _package_failed(self, name: str, package: _Package, message: str) -> Case:
        package.failed += 1
        self._cases += 1
        return self._names.unique(
            Case(
                classname=one_line(name, ""),
                name="(the package itself)",
                outcome="failed",
                message=message,
                details=package.output.text(),
                origin=self._origin,
            )
        )

    def _finish(self, name: str, test: str, outcome: Outcome, seconds: float, message: str) -> Case:
        package = self._packages[name]
        package.running.pop(test, None)
        output = self._outputs.pop((name, test), _Output()).text()
        if outcome == "failed":
            package.failed += 1
            message = message or _first_line(output) or "failed"
        elif outcome == "skipped":
            message = _first_line(output) or "skipped"
        self._cases += 1
        case = Case(
            classname=one_line(name, ""),
            name=one_line(test, "(without a name)"),
            outcome=outcome,
            message=message,
            seconds=seconds,
            output=output,
            origin=self._origin,
        )
        return self._names.unique(case)

    def _problem(self, text: str) -> None:
        if len(self.problems) < 5:  # noqa: PLR2004 - the first ones say it
            self.problems.append(text)


def _event(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        event = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("Action"), str) else None


def _seconds(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and 0 <= value < 1e9 else 0.0  # noqa: PLR2004 - 30 years


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
