"""When an image may leave: one row for each reason not to, and the table of all of them together."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from pytest_dockerci.push_gate import PushFacts, refusals

BUILT = f"sha256:{'a' * 64}"
OTHER = f"sha256:{'b' * 64}"
GREEN = PushFacts(
    exit_status=0,
    is_built=True,
    due=10,
    reported=10,
    passed_in_container=7,
    images=[BUILT, BUILT],
    workers=2,
    built=BUILT,
    tags=["0123456789ab", "latest"],
)

# What is wrong, and what is said of it.
GREEN_FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "a part": ({"narrowings": ["-k one selects tests by name"]}, "-k one selects tests by name"),
    "lost verdicts": ({"reported": 8}, "2 of 10 tests have no verdict"),
    "nothing passed": ({"passed_in_container": 0}, "no test passed inside the image"),
    "not built": ({"is_built": False}, "this run has not built the image"),
    "another image": (
        {"images": [BUILT, OTHER]},
        f"a container ran {OTHER}, not the image under test {BUILT}",
    ),
    "an unknown image": (
        {"images": [BUILT, ""]},
        f"a container ran no image that the engine knows, not the image under test {BUILT}",
    ),
    "a missing container": ({"images": [BUILT]}, "the engine knows the image of 1 of 2 containers"),
    "dirty": ({"is_dirty": True}, "the working tree differs from its commit"),
    "git fails": (
        {"git_problem": "dubious ownership"},
        "git cannot say what the image was built from: dubious ownership",
    ),
    "no tag": ({"tags": []}, "no tag is left to push"),
}


def test_a_green_run_may_push() -> None:
    """All of it is as it should be."""
    assert refusals(GREEN) == ()


@pytest.mark.parametrize("fault", GREEN_FAULTS)
def test_each_fault_refuses_a_green_run(fault: str) -> None:
    """By itself, with its own words."""
    change, why = GREEN_FAULTS[fault]
    [refusal] = refusals(replace(GREEN, **change))
    assert refusal.why == why


@pytest.mark.parametrize(
    ("exit_status", "why"),
    [
        (1, "tests failed"),
        (2, "the run was interrupted"),
        (3, "pytest or a plugin failed internally"),
        (4, "the run was not begun: the command line or a setting cannot be meant"),
        (5, "no test was run"),
        (6, "the environment never came up"),
        (7, "the run was lost: some test has no verdict"),
        (42, "the run ended with exit code 42"),
        (143, "the run ended with exit code 143"),
    ],
)
def test_a_run_that_is_not_green_never_pushes(exit_status: int, why: str) -> None:
    """Whatever else is right or wrong with it; that is the one reason."""
    changes = [{}, *(change for change, _ in GREEN_FAULTS.values())]
    for change in changes:
        [refusal] = refusals(replace(GREEN, exit_status=exit_status, **change))
        assert refusal.why == why


def test_truth_table() -> None:
    """Of all combinations of what can be wrong, exactly the one without any may push; each wrong one is told."""
    # Faults of one field exclude each other.
    fields = [
        ["a part"],
        ["lost verdicts"],
        ["not built", "another image", "a missing container"],
        ["dirty", "git fails"],
        ["no tag"],
    ]
    choices = [[None, *names] for names in fields]
    rows = list(itertools.product(*choices))
    assert len(rows) == 2 * 2 * 4 * 3 * 2
    for exit_status, faults in itertools.product((0, 1, 2, 5, 7), rows):
        named = [fault for fault in faults if fault is not None]
        change = {key: value for fault in named for key, value in GREEN_FAULTS[fault][0].items()}
        found = refusals(replace(GREEN, exit_status=exit_status, **change))
        assert bool(found) == (exit_status != 0 or bool(named))
        if exit_status == 0:
            assert [refusal.why for refusal in found] == [GREEN_FAULTS[fault][1] for fault in named]


def test_a_dirty_tree_may_be_allowed() -> None:
    """And git that cannot say, with it; nothing else."""
    allowed = replace(GREEN, allows_dirty=True)
    for fault, (change, _) in GREEN_FAULTS.items():
        assert bool(refusals(replace(allowed, **change))) == (fault not in ("dirty", "git fails"))


def test_every_refusal_that_a_person_can_mend_says_how() -> None:
    """What is left is a fault of ours or of the engine."""
    without = {
        fault for fault, (change, _) in GREEN_FAULTS.items() if not refusals(replace(GREEN, **change))[0].fix
    }
    assert without == {"lost verdicts", "another image", "an unknown image", "a missing container"}
