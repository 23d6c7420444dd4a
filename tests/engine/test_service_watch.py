"""Which ends of a service are a loss."""

from __future__ import annotations

import pytest

from pytest_dockerci.engine.readiness import Observation
from pytest_dockerci.engine.service_watch import ExpectedStops, loss


@pytest.mark.parametrize(
    ("seen", "must_complete", "cause"),
    [
        (Observation(state="running"), False, ""),
        (Observation(state="running", health="unhealthy", failed_probes=3), False, ""),
        (Observation(state="running", is_listening=False), False, ""),
        (Observation(state="paused"), False, ""),
        (Observation(state="restarting", exit_code=1), False, ""),
        # a job has done its work
        (Observation(state="exited", exit_code=0), True, ""),
        (Observation(state="exited", exit_code=0), False, ""),
        # a server has not
        (Observation(state="exited", exit_code=0, health="healthy"), False, "ended with exit code 0"),
        (Observation(state="exited", exit_code=3), False, "ended with exit code 3"),
        (Observation(state="exited", exit_code=139), False, "ended with exit code 139 (signal 11)"),
        (
            Observation(state="exited", exit_code=137, is_out_of_memory=True),
            False,
            "ended with exit code 137, out of memory",
        ),
        (
            Observation(state="exited", exit_code=1, restarts=5),
            False,
            "ended with exit code 1, after 5 restarts",
        ),
        (Observation(state="dead"), False, "ended with exit code 0"),
    ],
)
def test_what_is_a_loss(seen: Observation, must_complete: bool, cause: str) -> None:  # noqa: FBT001
    """An end that nobody wanted, and nothing less."""
    assert loss(seen, must_complete=must_complete) == cause


def test_stops_are_expected_until_the_start() -> None:
    """For that service of that stack alone."""
    expected = ExpectedStops()
    expected.note("one", "db", is_stopped=True)
    assert ("one", "db") in expected
    assert ("two", "db") not in expected
    assert ("one", "cache") not in expected
    expected.note("one", "db", is_stopped=False)
    assert ("one", "db") not in expected
    expected.note("one", "db", is_stopped=False)
