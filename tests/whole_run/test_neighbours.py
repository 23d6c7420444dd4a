"""Two runs of one project at once, one of them killed; ten are tried by `chaos.neighbours`."""

from __future__ import annotations

import os
import signal
import time

import pytest

from chaos.place import seconds_until_nothing
from whole_run.project import PYTHON_IMAGE, Project

pytestmark = pytest.mark.engine


@pytest.mark.soak
def test_the_other_run_is_right(project: Project) -> None:
    """No name, network, volume or container is shared, and what removes one run leaves the other alone."""
    project.write(
        compose_yaml=f"""\
            services:
              web: {{build: {{context: ., args: {{PYTHON_IMAGE: "{PYTHON_IMAGE}"}}}}, depends_on: [db]}}
              db:
                image: {PYTHON_IMAGE}
                container_name: the-only-database
                command: [sleep, "600"]
                init: true
                volumes: [data:/data]
            volumes: {{data: {{name: the-only-volume}}}}
            """,
        tests__test_it_py="""\
            import socket, time
            def test_waits(): print("it waits", flush=True); time.sleep(6)
            def test_the_database_is_there(): assert socket.gethostbyname("db")
            """,
    )
    doomed, other = project.start("-v", "-s"), project.start("-v")
    assert doomed.stdout is not None
    for line in doomed.stdout:
        if "it waits" in line:
            break
    time.sleep(0.5)
    os.killpg(doomed.pid, signal.SIGKILL)
    doomed.communicate()
    outcome = project.finish(other)
    assert outcome.exit_code == 0, outcome.output
    assert outcome.counts() == {"passed": 2}
    assert seconds_until_nothing(project, 30)[1] == []
