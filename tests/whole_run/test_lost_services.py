"""A service that was ready ends while tests run."""

from __future__ import annotations

import os
import re
import time

import pytest

from whole_run.project import Project

pytestmark = pytest.mark.engine

DB = """\
    depends_on: [db]
  db:
    image: {image}
    command: [python3, -u, -c, "{program}"]
    {more}
"""
SERVE = (
    "import socket; print('disk is full'); server = socket.create_server(('', 7000)); "
    "server.accept(); raise SystemExit(3)"
)
# The suite brings it down by talking to it, and then waits for what never comes.
SUITE = """\
    import socket, time
    def test_before(): pass
    def test_needs_it():
        socket.create_connection(("db", 7000)).close()
        print("waiting", flush=True)
        time.sleep(100)
    def test_after(): pass
    def test_last(): pass
    """


def with_db(project: Project, program: str = SERVE, more: str = "") -> None:
    """A service beside the image under test; without declared ports nobody but the suite talks to it."""
    image = os.environ.get("PYTHON_IMAGE", "python:3.13-slim")
    compose = (project.root / "compose.yaml").read_text()
    project.write(
        compose_yaml=compose + DB.format(image=image, program=program, more=more), tests__test_db_py=SUITE
    )


def test_the_running_test_fails_with_the_cause(project: Project) -> None:
    """At once, with the service's last words; no other is run, each says why, and the run is lost."""
    with_db(project)
    began = time.monotonic()
    outcome = project.run("-v")
    assert time.monotonic() - began < 60
    assert outcome.exit_code == 7, outcome.output
    assert outcome.verdicts() == {
        "tests/test_db.py::test_before": "PASSED",
        "tests/test_db.py::test_needs_it": "FAILED",
        "tests/test_db.py::test_after": "ERROR",
        "tests/test_db.py::test_last": "ERROR",
    }
    assert 'service "db" was lost while tests ran: ended with exit code 3' in outcome.output
    assert "disk is full" in outcome.output
    assert re.search(r'ERROR tests/test_db.py::test_last - .*not run: service "db" was lost', outcome.output)


@pytest.mark.soak
def test_one_that_is_killed_for_its_memory(project: Project) -> None:
    """The kernel's reason is the cause."""
    eater = "import socket; socket.create_server(('', 7000)).accept(); x = bytearray(1 << 28)"
    with_db(project, eater, "mem_limit: 64m\n    memswap_limit: 64m")
    outcome = project.run()
    assert outcome.exit_code == 7, outcome.output
    assert re.search(
        r'"db" was lost while tests ran: ended with exit code 137, out of memory', outcome.output
    )


@pytest.mark.soak
def test_one_that_its_restart_policy_starts_again_is_not_lost(project: Project) -> None:
    """The project said that it may end."""
    with_db(project, SERVE, "restart: always")
    project.write(
        tests__test_db_py="""\
            import socket, time
            def test_ends_it(): socket.create_connection(("db", 7000)).close()
            def test_it_comes_back():
                for _ in range(100):
                    try:
                        return socket.create_connection(("db", 7000)).close()
                    except OSError:
                        time.sleep(0.1)
                raise AssertionError
            def test_last(): time.sleep(2)
            """
    )
    outcome = project.run()
    assert outcome.exit_code == 0, outcome.output


@pytest.mark.soak
def test_stops_of_a_host_test_are_expected(project: Project) -> None:
    """Until it is started again; what happens after that is not."""
    with_db(project, "import time; time.sleep(600)", "init: true")
    project.write(
        pytest_ini="""\
            [pytest]
            dockerci_service = web
            dockerci_suite = tests
            testpaths = tests host
            """,
        tests__test_db_py="import time\ndef test_one(): time.sleep(2)\n",
        host__test_stops_py="""\
            import time
            def test_stops(dockerci_services, dockerci_container):
                db = dockerci_services["db"]
                for stop in (db.stop, db.kill):
                    stop()
                    time.sleep(1.5)
                    db.start()
                db.restart()
            """,
    )
    outcome = project.run("tests", "host")
    assert outcome.exit_code == 0, outcome.output
    project.write(
        host__test_stops_py="""\
            import time
            def test_stops(dockerci_services):
                db = dockerci_services["db"]
                db.stop()
                db.start()
                db._engine.client.api.kill(db.container_id)
                time.sleep(1.5)
            """
    )
    outcome = project.run("host", "tests")
    assert outcome.exit_code == 7, outcome.output
    assert outcome.counts() == {"passed": 1, "error": 1}
    assert 'not run: service "db" was lost while tests ran: ended with exit code 137' in outcome.output


@pytest.mark.soak
@pytest.mark.parametrize("options", [("--dockerci-workers=2",), ("-n2",)], ids=["workers", "xdist"])
def test_with_several_workers(project: Project, options: tuple[str, ...]) -> None:
    """The test that was waiting fails with the cause, in each process that ran tests."""
    with_db(project)
    began = time.monotonic()
    outcome = project.run("-v", *options)
    assert time.monotonic() - began < 60
    assert outcome.exit_code == 7, outcome.output
    assert 'service "db" was lost while tests ran: ended with exit code 3' in outcome.output
    assert "FAILED tests/test_db.py::test_needs_it" in outcome.output
