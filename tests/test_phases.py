from __future__ import annotations

import pytest

from pytest_dockerci.phases import PhaseLog


class Clock:
    """A clock that stands still until it is turned."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """What it shows."""
        return self.now


def test_the_document_of_a_run() -> None:
    """Start, end and seconds of each phase, in the order in which they began; one that goes on is not in it."""
    clock = Clock()
    log = PhaseLog(clock, lambda: 1_700_000_000.0)
    with log.measure("build"):
        clock.now += 2
    with log.measure("containers"):
        clock.now += 1
        with log.measure("containers/suite"):
            clock.now += 0.5
    with log.measure("build"):
        clock.now += 0.25
    with log.measure("tests"):
        clock.now += 1
        assert log.running == {"tests"}
        assert log.totals() == {"build": 2.25, "containers": 1.5, "tests": 1.0}
        assert log.document("r1") == {
            "version": 1,
            "run": "r1",
            "started_at": 1_700_000_000.0,
            "seconds": 4.75,
            "phases": [
                {"name": "build", "start_seconds": 0.0, "end_seconds": 2.0, "seconds": 2.0},
                {"name": "containers", "start_seconds": 2.0, "end_seconds": 3.5, "seconds": 1.5},
                {"name": "containers/suite", "start_seconds": 3.0, "end_seconds": 3.5, "seconds": 0.5},
                {"name": "build", "start_seconds": 3.5, "end_seconds": 3.75, "seconds": 0.25},
            ],
        }


def test_a_phase_that_fails_has_ended() -> None:
    """An error in a phase ends it."""
    clock = Clock()
    log = PhaseLog(clock)

    def fail() -> None:
        with log.measure("build"):
            clock.now += 3
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert log.running == frozenset()
    assert log.totals() == {"build": 3.0}
