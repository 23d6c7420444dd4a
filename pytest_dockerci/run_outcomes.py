"""What became of each test of a run, from the reports that every plugin sees. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any

from pytest_dockerci.report_gate import FROM_CONTAINER, FROM_OTHER_IMAGE


class Verdict(Enum):
    """Of one test, all its phases together."""

    PASSED = "passed"
    SKIPPED = "skipped"
    XFAILED = "xfailed"
    FAILED = "failed"


class RunOutcomes:
    """Collects the verdicts of a run; of a test that is reported again, the last one counts."""

    def __init__(self) -> None:
        self._verdicts: dict[str, Verdict] = {}
        self._in_container: set[str] = set()
        self._repeated: dict[str, None] = {}
        self._finished: set[str] = set()

    def note(self, report: Any) -> None:
        """Take a report of one phase."""
        name: str = report.nodeid
        if getattr(report, FROM_CONTAINER, False) and not getattr(report, FROM_OTHER_IMAGE, False):
            self._in_container.add(name)
        if report.outcome == "rerun":  # pytest-rerunfailures: the phases of another attempt follow
            self._repeated[name] = None
            self._verdicts.pop(name, None)
            return
        before = self._verdicts.get(name)
        if report.outcome == "failed":
            self._verdicts[name] = Verdict.FAILED
        elif before in (None, Verdict.PASSED) and getattr(report, "context", None) is None:
            verdict = _verdict_of_phase(report)
            if verdict is not None:
                self._verdicts[name] = verdict
        if report.when == "teardown":
            self._finished.add(name)

    @property
    def reported(self) -> int:
        """How many tests have come to their end."""
        return len(self._finished)

    @property
    def passed_in_container(self) -> int:
        """How many tests have passed inside the image."""
        return sum(self._verdicts.get(name) is Verdict.PASSED for name in self._in_container)

    @property
    def repeated(self) -> tuple[str, ...]:
        """Tests that were run more than once before they passed."""
        return tuple(self._repeated)

    def named(self, verdict: Verdict, *, in_container: bool = True) -> Sequence[str]:
        """The tests with a verdict, in the order in which they were first reported."""
        return [
            name
            for name, each in self._verdicts.items()
            if each is verdict and (name in self._in_container) is in_container
        ]

    def counts(self) -> dict[str, int]:
        """How many tests have each verdict, those of the host included."""
        verdicts = list(self._verdicts.values())
        return {verdict.value: verdicts.count(verdict) for verdict in Verdict}


def _verdict_of_phase(report: Any) -> Verdict | None:
    if hasattr(report, "wasxfail"):
        return Verdict.XFAILED if report.outcome == "skipped" else Verdict.PASSED
    if report.outcome == "skipped":
        return Verdict.SKIPPED
    return Verdict.PASSED if report.when == "call" else None
