"""Somebody else ends, freezes or removes the test container while tests run."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest

from pytest_dockerci.engine.client import Engine
from whole_run.project import Outcome, Project

pytestmark = pytest.mark.engine

SUITE = """\
    import socket, time
    def test_before(): pass
    def test_waits():
        print("waiting in", socket.gethostname(), flush=True)
        time.sleep(100)
    def test_after(): pass
    """


def run_and(project: Project, do: Callable[[str], object], *args: str) -> tuple[Outcome, float]:
    """A run in which something is done to the container in which a test waits; what came of it, seconds after that."""
    process = project.start("-v", "-s", *args)
    assert process.stdout is not None
    for line in process.stdout:
        if "waiting in" in line:
            break
    began = time.monotonic()
    do(line.split()[-1])
    outcome = project.finish(process)
    return outcome, time.monotonic() - began


def assert_lost(project: Project, outcome: Outcome, why: str) -> None:
    """The running test has the cause, the next was not run, and nothing is left."""
    assert outcome.exit_code == 7, outcome.output
    assert re.search(r"^FAILED tests/test_it.py::test_waits", outcome.output, re.MULTILINE)
    assert re.search(r"^ERROR tests/test_it.py::test_after - .*not run: ", outcome.output, re.MULTILINE)
    assert f"container 0: {why} (in call)" in outcome.output
    assert "Traceback" not in outcome.output
    assert project.left_on_engine() == []


@pytest.mark.soak
def test_paused(project: Project, engine: Engine) -> None:
    """Nothing ends, no connection breaks: it is seen by the silence, in twenty seconds."""
    project.write(tests__test_it_py=SUITE)
    outcome, seconds = run_and(project, engine.client.api.pause)
    assert_lost(project, outcome, "the agent has said nothing for 12 s: the container is paused")
    assert seconds < 20


def test_removed(project: Project, engine: Engine) -> None:
    """At once, and it is said what a person can do."""
    project.write(tests__test_it_py=SUITE)
    outcome, seconds = run_and(project, lambda each: engine.client.api.remove_container(each, force=True))
    assert_lost(project, outcome, "the connection to the agent ended: the container was removed")
    assert "  try: run again; a run ends when its engine or its containers are stopped, " in outcome.output
    assert seconds < 10


@pytest.mark.soak
def test_killed(project: Project, engine: Engine) -> None:
    """At once, with the signal."""
    project.write(tests__test_it_py=SUITE)
    outcome, seconds = run_and(project, engine.client.api.kill)
    why = "the container ended with exit code 137 (signal 9)"
    assert_lost(project, outcome, f"the connection to the agent ended: {why}")
    assert seconds < 10


@pytest.mark.soak
def test_one_of_two(project: Project, engine: Engine) -> None:
    """The test that ran in it has the cause; what the other container has run keeps its verdict."""
    project.write(
        tests__test_it_py="""\
            import socket, time
            def test_waits():
                time.sleep(3)
                print("waiting in", socket.gethostname(), flush=True)
                time.sleep(100)
            """,
        tests__test_others_py="""\
            import time, pytest
            @pytest.mark.parametrize("n", range(5))
            def test_quick(n): time.sleep(2)
            """,
    )
    outcome, _ = run_and(
        project,
        lambda each: engine.client.api.remove_container(each, force=True),
        "-o",
        "dockerci_workers=2",
    )
    assert outcome.exit_code == 7, outcome.output
    assert re.search(r"^FAILED tests/test_it.py::test_waits - container 0: ", outcome.output, re.MULTILINE)
    assert "the container was removed" in outcome.output
    assert re.search(
        r"^ERROR tests/test_others.py::test_quick\[\d\] - .*not run", outcome.output, re.MULTILINE
    )
    assert project.left_on_engine() == []
