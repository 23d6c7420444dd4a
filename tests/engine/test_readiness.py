"""What an observation of a service means."""

from __future__ import annotations

import pytest

from pytest_dockerci.engine.readiness import (
    HOW_COMPLETED,
    HOW_HEALTHY,
    HOW_LISTENING,
    HOW_RUNNING,
    Failed,
    NotReady,
    Observation,
    Ready,
    Verdict,
    judge,
)


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (Observation(state="absent"), NotReady(reason="not created yet")),
        (Observation(state="created"), NotReady(reason="created")),
        (
            Observation(state="created", error="port is taken"),
            Failed(cause="could not be started", why="port is taken"),
        ),
        (Observation(state="running", health="healthy"), Ready(how=HOW_HEALTHY)),
        (
            Observation(state="running", health="starting"),
            NotReady(reason='running, health "starting", no probe yet'),
        ),
        (
            Observation(
                state="running", health="unhealthy", failed_probes=3, last_probe="exit code 2: refused"
            ),
            NotReady(
                reason='running, health "unhealthy" after 3 failed probes, last probe exit code 2: refused'
            ),
        ),
        (Observation(state="running", is_listening=True), Ready(how=HOW_LISTENING)),
        (
            Observation(state="running", is_listening=False, running_seconds=9),
            NotReady(reason="running, no port takes connections yet"),
        ),
        (Observation(state="running", running_seconds=0.2), NotReady(reason="just started")),
        (Observation(state="running", running_seconds=1.5), Ready(how=HOW_RUNNING)),
        (Observation(state="exited"), Ready(how=HOW_COMPLETED)),
        (Observation(state="exited", health="starting"), Failed(cause="ended with exit code 0")),
        (Observation(state="exited", exit_code=3), Failed(cause="ended with exit code 3")),
        (
            Observation(state="exited", exit_code=137, is_out_of_memory=True, restarts=5),
            Failed(cause="ended with exit code 137, out of memory, after 5 restarts"),
        ),
        (Observation(state="exited", exit_code=139), Failed(cause="ended with exit code 139 (signal 11)")),
        (
            Observation(state="restarting", exit_code=1, restarts=1),
            NotReady(reason="restarting after exit code 1 (restart 2)"),
        ),
        (
            Observation(state="running", health="healthy", is_listening=False),
            NotReady(reason="healthy, no port takes connections yet"),
        ),
        (Observation(state="running", health="healthy", is_listening=True), Ready(how=HOW_HEALTHY)),
        (Observation(state="paused"), NotReady(reason="paused")),
        (Observation(state="dead", exit_code=1), Failed(cause="ended with exit code 1")),
    ],
)
def test_an_observation_has_one_verdict(seen: Observation, verdict: Verdict) -> None:
    """First healthy counts, one-shots complete, guesses say so."""
    assert judge(seen) == verdict


def test_a_service_that_must_complete_is_not_ready_while_it_runs() -> None:
    """Not even when it is healthy."""
    running = Observation(state="running", health="healthy")
    assert judge(running, must_complete=True) == NotReady(reason="running, not completed")
    ended = Observation(state="exited", health="healthy")
    assert judge(ended, must_complete=True) == Ready(how=HOW_COMPLETED)
