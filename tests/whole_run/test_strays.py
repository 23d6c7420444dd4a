"""Processes that a test leaves, in a real container."""

from __future__ import annotations

import time

import pytest

from whole_run.project import Project

pytestmark = [pytest.mark.engine, pytest.mark.soak]


def test_a_fork_bomb(project: Project) -> None:
    """Within the limit of the service it costs its own test; everything it made is gone with it."""
    compose = (project.root / "compose.yaml").read_text()
    project.write(
        compose_yaml=compose + "    pids_limit: 80\n",
        tests__test_it_py="""\
            import os, time
            def test_before(): pass
            def test_bomb():
                while True:
                    try: os.fork()
                    except BlockingIOError: time.sleep(0.01)
            def test_after(): pass
            """,
    )
    outcome = project.run("-v", "-o", "dockerci_test_timeout_seconds=5")
    assert outcome.exit_code == 1, outcome.output
    assert "timed out after 5 s in call" in outcome.output
    assert outcome.verdicts() == {
        "tests/test_it.py::test_before": "PASSED",
        "tests/test_it.py::test_bomb": "FAILED",
        "tests/test_it.py::test_after": "PASSED",
    }


def test_daemons_that_hold_the_output(project: Project) -> None:
    """They delay nothing, and are gone with the container."""
    project.write(
        tests__test_it_py="""\
            import os, subprocess
            def test_leaves_daemons():
                for _ in range(5):
                    subprocess.Popen(["sleep", "600"], start_new_session=True)
                if os.fork() == 0:
                    os.setsid()
                    os.execvp("sleep", ["sleep", "600"])
            def test_after(): pass
            """,
    )
    began = time.monotonic()
    outcome = project.run("-v")
    assert outcome.exit_code == 0, outcome.output
    assert outcome.counts() == {"passed": 2}
    assert time.monotonic() - began < 60
