"""What becomes of a test by its reports, as a table."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pytest_dockerci.report_gate import FROM_CONTAINER
from pytest_dockerci.run_outcomes import RunOutcomes, Verdict

SETUP, CALL, TEARDOWN = ("setup", "passed"), ("call", "passed"), ("teardown", "passed")


def report(when: str, outcome: str, name: str = "t", *, in_container: bool = True, **more: Any) -> Any:
    """A report of one phase."""
    return SimpleNamespace(nodeid=name, when=when, outcome=outcome, **{FROM_CONTAINER: in_container}, **more)


@pytest.mark.parametrize(
    ("phases", "verdict", "is_repeated"),
    [
        ([SETUP, CALL, TEARDOWN], Verdict.PASSED, False),
        ([SETUP, ("call", "failed"), TEARDOWN], Verdict.FAILED, False),
        ([("setup", "failed"), TEARDOWN], Verdict.FAILED, False),
        ([SETUP, CALL, ("teardown", "failed")], Verdict.FAILED, False),
        ([("setup", "skipped"), TEARDOWN], Verdict.SKIPPED, False),
        ([SETUP, ("call", "skipped"), TEARDOWN], Verdict.SKIPPED, False),
        ([SETUP, ("call", "xfailed"), TEARDOWN], Verdict.XFAILED, False),
        ([SETUP, ("call", "xpassed"), TEARDOWN], Verdict.PASSED, False),
        ([SETUP, ("subtest", "failed"), CALL, TEARDOWN], Verdict.FAILED, False),
        ([SETUP, ("subtest", "passed"), ("call", "skipped"), TEARDOWN], Verdict.SKIPPED, False),
        ([SETUP, ("call", "rerun"), TEARDOWN, SETUP, CALL, TEARDOWN], Verdict.PASSED, True),
        ([SETUP, ("call", "rerun"), TEARDOWN, SETUP, ("call", "failed"), TEARDOWN], Verdict.FAILED, True),
    ],
)
def test_phases_come_to_a_verdict(
    phases: list[tuple[str, str]],
    verdict: Verdict,
    is_repeated: bool,  # noqa: FBT001 - a table
) -> None:
    """A failure of any phase, or of any part of one, stays."""
    outcomes = RunOutcomes()
    for when, outcome in phases:
        if outcome.startswith("x"):
            plain = "skipped" if outcome == "xfailed" else "passed"
            outcomes.note(report(when, plain, wasxfail="reason"))
        elif when == "subtest":
            outcomes.note(report("call", outcome, context="part"))
        else:
            outcomes.note(report(when, outcome))
    assert outcomes.named(verdict) == ["t"]
    assert outcomes.counts()[verdict.value] == sum(outcomes.counts().values()) == 1
    assert outcomes.passed_in_container == (verdict is Verdict.PASSED)
    assert outcomes.repeated == (("t",) if is_repeated else ())
    assert outcomes.reported == 1


def test_only_tests_inside_the_image_count_for_it() -> None:
    """A host test that passes says nothing of the image's inside; one that has not come to its end, nothing at all."""
    outcomes = RunOutcomes()
    for when, outcome in (SETUP, CALL, TEARDOWN):
        outcomes.note(report(when, outcome, "host", in_container=False))
    outcomes.note(report("setup", "passed", "begun"))
    assert outcomes.passed_in_container == 0
    assert outcomes.reported == 1
    assert outcomes.named(Verdict.PASSED) == []
    assert outcomes.named(Verdict.PASSED, in_container=False) == ["host"]
