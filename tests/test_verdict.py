"""What a run comes to: every combination that decides."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from pytest_dockerci.verdict import Proof, exit_status, missing_proof, unproved

PYTEST = range(6)
GREEN = Proof(
    due=(0, 1, 2),
    reported=(0, 1, 2),
    ended=("container 0", "container 1"),
    untold=(),
    containers=("container 0", "container 1"),
    images=("sha256:a", "sha256:a"),
    built="sha256:a",
)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, ""),
        ({"due": (), "reported": ()}, ""),
        # a test that was run again, or that another plugin ran beside its own order, is reported and not lost
        ({"reported": (0, 1, 2, 7)}, ""),
        ({"reported": (0, 2)}, "1 of 3 tests have no verdict from a container"),
        ({"reported": ()}, "3 of 3 tests have no verdict from a container"),
        (
            {"untold": ("container 0: it closed its descriptors", "container 1: killed")},
            "container 0: it closed its descriptors; it was replaced, and no test can be blamed for it",
        ),
        ({"ended": ("container 0",)}, "container 1 did not say that its session ended"),
        ({"ended": ()}, "container 0, container 1 did not say that its session ended"),
        (
            {"containers": ("a", "b", "c", "d"), "images": ("sha256:a",) * 4, "ended": ()},
            "a, b, c did not say that its session ended",
        ),
        (
            {"images": ("sha256:a", "sha256:b")},
            "a container runs sha256:b, not the image under test sha256:a",
        ),
        ({"images": ("", "sha256:a")}, "a container runs no image that the engine knows"),
        ({"images": ()}, "the engine knows the image of 0 of 2 containers"),
    ],
)
def test_what_a_green_run_has_to_show(changes: dict[str, object], why: str) -> None:
    """Everything, or it is not green."""
    proof = replace(GREEN, **changes)  # type: ignore[arg-type]
    assert missing_proof(proof) == why
    error = unproved(proof)
    assert (error is None) == (not why)
    assert error is None or str(error) == (
        f"the run is not proved to be green\n  why: {why}\n"
        "  try: run again; if it happens again, report it with this text"
    )


@pytest.mark.parametrize("shown", list(itertools.product((True, False), repeat=5)))
def test_green_needs_all_of_it(shown: tuple[bool, bool, bool, bool, bool]) -> None:
    """Verdicts, ends, an image of each container, the right one: any that lacks is enough, whatever the others say."""
    verdicts, ends, told, images, right_image = shown
    proof = replace(
        GREEN,
        reported=GREEN.reported if verdicts else (0, 1),
        ended=GREEN.ended if ends else ("container 1",),
        untold=() if told else ("container 0: killed",),
        images=("sha256:a" if right_image else "sha256:b",) * (2 if images else 1),
    )
    assert (missing_proof(proof) == "") == all(shown)


@pytest.mark.parametrize(
    ("pytest_status", "failure", "has_leftovers", "expected"),
    [
        (0, None, False, 0),
        (0, None, True, 9),
        (0, 6, False, 6),
        (0, 7, True, 7),
        (1, None, False, 1),
        (1, None, True, 1),
        (1, 7, False, 7),
        (1, 6, True, 6),
        (2, None, True, 2),
        (2, 7, False, 7),
        (3, 6, True, 3),
        (4, 7, True, 4),
        (4, 6, False, 4),
        (5, None, False, 5),
        (5, None, True, 9),
        (5, 8, False, 8),
        (1, 8, False, 1),
        (0, 8, True, 8),
        # a code of another plugin's own
        (42, None, False, 42),
        (42, 7, True, 42),
    ],
)
def test_the_first_that_applies(
    pytest_status: int,
    failure: int | None,
    has_leftovers: bool,  # noqa: FBT001
    expected: int,
) -> None:
    """In the order of the contract."""
    status = exit_status(pytest_status, ended_by=None, failure=failure, has_leftovers=has_leftovers)
    assert status == expected


@pytest.mark.parametrize(
    ("pytest_status", "failure", "has_leftovers"),
    list(itertools.product(PYTEST, (None, 4, 6, 7, 8), (False, True))),
)
def test_nothing_is_green_by_chance(pytest_status: int, failure: int | None, has_leftovers: bool) -> None:  # noqa: FBT001
    """0 needs all three; a signal outdoes them all."""
    status = exit_status(pytest_status, ended_by=None, failure=failure, has_leftovers=has_leftovers)
    assert (status == 0) == (pytest_status == 0 and failure is None and not has_leftovers)
    for number in (1, 15):
        ended = exit_status(pytest_status, ended_by=number, failure=failure, has_leftovers=has_leftovers)
        assert ended == 128 + number
