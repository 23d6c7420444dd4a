"""Leaves a container under test as the next run expects it: running, and with nothing else running in it."""

from __future__ import annotations

import time
from http import HTTPStatus

from pytest_dockerci.engine.connection import Reachable, ask

# It sees that the host has hung up, and ends.
_AGENT_ENDS_SECONDS = 1.0


def tidy(engine: Reachable, container_id: str) -> None:
    """Start it again if tests have left processes behind, and if it was stopped for a report.

    Args:
        engine: The engine.
        container_id: The container.

    Raises:
        OSError: The engine refuses, or does not answer.
    """
    deadline = time.monotonic() + _AGENT_ENDS_SECONDS
    while True:
        status, said = ask(engine, "GET", f"containers/{container_id}/top")
        if status != HTTPStatus.OK or time.monotonic() > deadline:
            break
        if len(said["Processes"]) <= 1:
            return
        time.sleep(0.01)
    status, said = ask(engine, "POST", f"containers/{container_id}/restart?t=0")
    if status >= HTTPStatus.BAD_REQUEST:
        raise OSError(said)
