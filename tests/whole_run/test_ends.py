from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable

import pytest

from variants import soak_after
from whole_run.project import DYING_SERVICE, PYTHON_IMAGE, Outcome, Project

pytestmark = pytest.mark.engine

SLOW_TEST = """\
    import time
    def test_slow():
        print("it runs", flush=True)
        time.sleep(100)
    def test_next(): pass
    """


def interrupt(project: Project, mark: str, send: Callable[[subprocess.Popen[str]], None]) -> Outcome:
    """Run pytest, and send signals as soon as a mark shows in its output."""
    process = project.start("-s", "-v")
    assert process.stdout is not None
    lines: list[str] = []
    seen = threading.Event()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if mark in line:
                seen.set()
        seen.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert seen.wait(100), lines
    send(process)
    exit_code = process.wait(60)
    reader.join()
    process.stdout.close()
    return Outcome(exit_code, "".join(lines))


@pytest.mark.parametrize(
    "mark",
    soak_after(
        2,
        [
            pytest.param("] FROM ", id="build"),
            pytest.param("it runs", id="test"),
            pytest.param("dockerci: image", id="start"),
            pytest.param("dockerci: the suite runs", id="collect"),
        ],
    ),
)
@pytest.mark.parametrize("presses", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_control_c(project: Project, mark: str, presses: int) -> None:
    """Ctrl-C, once or twice, in any phase: pytest's own exit code, no traceback, nothing left."""
    project.write(tests__test_slow_py=SLOW_TEST)

    def press(process: subprocess.Popen[str]) -> None:
        for _ in range(presses):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.2)

    outcome = interrupt(project, mark, press)
    assert outcome.exit_code == 2, outcome.output
    assert "Traceback" not in outcome.output
    assert project.left_on_engine() == []


@pytest.mark.parametrize(
    ("number", "exit_code"), soak_after(1, [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
)
def test_ending_signals(project: Project, number: signal.Signals, exit_code: int) -> None:
    """TERM and HUP clean up as Ctrl-C does, and the exit code says which it was."""
    project.write(tests__test_slow_py=SLOW_TEST)
    outcome = interrupt(project, "it runs", lambda process: process.send_signal(number))
    assert outcome.exit_code == exit_code, outcome.output
    assert project.left_on_engine() == []


def test_build_error(project: Project) -> None:
    """A build that fails shows the failing step and its last lines; exit 6, and no test is reported as run."""
    project.write(
        Dockerfile="""\
            ARG PYTHON_IMAGE
            FROM ${PYTHON_IMAGE}
            WORKDIR /srv/app
            RUN echo before the end && echo the reason && exit 3
            """,
        tests__test_any_py="def test_any(): pass\n",
    )
    outcome = project.run()
    assert outcome.exit_code == 6
    assert 'image of "web" could not be built' in outcome.output
    assert "RUN echo before the end" in outcome.output
    assert "the reason" in outcome.output
    assert "ERROR dockerci::environment" in outcome.output
    assert outcome.counts() == {"error": 1}


def test_junit_report_of_a_failed_environment(project: Project) -> None:
    """Reports are written even when there was never an environment."""
    project.write(Dockerfile="FROM scratch\nCOPY nothing /\n", tests__test_any_py="def test_any(): pass\n")
    outcome = project.run("--junitxml=report.xml")
    assert outcome.exit_code == 6
    assert 'errors="1"' in (project.root / "report.xml").read_text()


def test_dead_service(project: Project) -> None:
    """A service that dies is explained with its exit code and its log; each test says why it was not run."""
    project.write(
        compose_yaml=(project.root / "compose.yaml").read_text() + DYING_SERVICE,
        tests__test_any_py="def test_a(): pass\ndef test_b(): pass\n",
    )
    outcome = project.run("-o", "dockerci_ready_timeout_seconds=30")
    assert outcome.exit_code == 6, outcome.output
    assert 'service "db" ended with exit code 9' in outcome.output  # at once, not at the limit
    assert "no space for tables" in outcome.output
    assert outcome.counts() == {"error": 2}, outcome.output
    assert outcome.output.count("ERROR tests/test_any.py") == 2


def test_never_healthy_service(project: Project) -> None:
    """A service that never becomes healthy names the limit, the setting and the last answer of its check."""
    project.write(
        compose_yaml=(project.root / "compose.yaml").read_text()
        + """\
    depends_on: [db]
  db:
    image: PYTHON_IMAGE
    command: ["python3", "-c", "print('db log line', flush=True); import time; time.sleep(600)"]
    healthcheck: {test: ["CMD", "python3", "-c", "print('not yet'); raise SystemExit(1)"], interval: 1s, retries: 1000}
""".replace("PYTHON_IMAGE", os.environ.get("PYTHON_IMAGE", "python:3.13-slim")),
        tests__test_any_py="def test_a(): pass\n",
    )
    outcome = project.run("-o", "dockerci_ready_timeout_seconds=4")
    assert outcome.exit_code == 6, outcome.output
    assert "dockerci_ready_timeout_seconds" in outcome.output
    assert "not yet" in outcome.output
    assert "db log line" in outcome.output


@pytest.mark.soak
def test_what_is_waited_for_is_said_where_there_is_no_terminal(project: Project) -> None:
    """Though nothing changes any more: a log that stands still for minutes looks like a hang."""
    project.write(
        compose_yaml=(project.root / "compose.yaml").read_text()
        + f"""\
    depends_on: [db]
  db:
    image: {PYTHON_IMAGE}
    command: [sleep, "600"]
    init: true
    healthcheck: {{test: [CMD, "false"], retries: 1000}}
""",
        tests__test_any_py="def test_a(): pass\n",
    )
    outcome = project.run("-o", "dockerci_ready_timeout_seconds=8")
    assert outcome.exit_code == 6, outcome.output
    assert 'waiting for db (running, health "starting"' in outcome.output.partition("ERRORS")[0]


def test_unknown_service(project: Project) -> None:
    """A wrong `dockerci_service` is told with the services that there are: exit 4."""
    project.write(tests__test_any_py="def test_a(): pass\n")
    outcome = project.run("-o", "dockerci_service=wbe")
    assert outcome.exit_code == 4, outcome.output
    assert "wbe" in outcome.output
    assert "web" in outcome.output


def test_no_engine(project: Project) -> None:
    """Without an engine: exit 6, the address that was tried, and what to do."""
    project.write(tests__test_any_py="def test_a(): pass\n")
    outcome = project.run(DOCKER_HOST="unix:///nowhere/docker.sock")
    assert outcome.exit_code == 6, outcome.output
    assert "unix:///nowhere/docker.sock" in outcome.output
    assert "Traceback" not in outcome.output


@pytest.mark.parametrize("arguments", [("host",), ("host", "tests", "-m", "not dockerci")])
def test_only_host_tests_need_no_engine(project: Project, arguments: tuple[str, ...]) -> None:
    """When no selected test needs a container, nothing is built or started."""
    project.write(tests__test_any_py="def test_a(): pass\n", host__test_host_py="def test_host(): pass\n")
    outcome = project.run(*arguments, DOCKER_HOST="unix:///nowhere/docker.sock")
    assert outcome.exit_code == 0, outcome.output
    assert outcome.counts() == {"passed": 1}


def test_without_dockerci(project: Project) -> None:
    """`--no-dockerci` runs the suite on the host."""
    project.write(tests__test_any_py="import os\ndef test_a(): assert 'DOCKERCI' not in os.environ\n")
    outcome = project.run("--no-dockerci", DOCKER_HOST="unix:///nowhere/docker.sock")
    assert outcome.exit_code == 0, outcome.output


def test_a_reader_that_goes_away(project: Project) -> None:
    """`pytest | head`: what is written to nobody is an error of pytest's; nothing is left, and it is not green."""
    project.write(tests__test_any_py="import time\ndef test_any(): time.sleep(3)\ndef test_next(): pass\n")
    process = project.start("-v")
    assert process.stdout is not None
    while "test_any" not in process.stdout.readline():
        assert process.poll() is None
    process.stdout.close()
    assert process.wait(60) != 0
    deadline = time.monotonic() + 8  # what the watchdog may take, where pytest was cut off
    while project.left_on_engine():
        assert time.monotonic() < deadline, project.left_on_engine()
        time.sleep(0.1)


@pytest.mark.parametrize(
    "hook",
    soak_after(
        1,
        [
            "pytest_runtest_logreport(report)",
            "pytest_sessionfinish(session)",
            "pytest_collection_modifyitems(items)",
        ],
    ),
)
def test_a_plugin_of_the_host_raises(project: Project, hook: str) -> None:
    """Pytest's own INTERNALERROR, or a traceback of that plugin, with its words; never green, nothing left."""
    project.write(
        conftest_py=f"def {hook}: raise LookupError('this plugin is broken')\n",
        tests__test_any_py="def test_any(): pass\n",
    )
    outcome = project.run()
    assert outcome.exit_code not in (0, 5), outcome.output
    assert "LookupError: this plugin is broken" in outcome.output
    assert project.left_on_engine() == []
