"""pytest-xdist on a real engine: one stack, or one for each worker; nothing is left."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from whole_run.project import DYING_SERVICE, Outcome, Project

pytestmark = pytest.mark.engine

SERVICES = """\
    depends_on:
      cache: {condition: service_healthy}
      spare: {condition: service_started}
    ports: ["8000:8000"]
    command: ["python3", "-m", "http.server", "8000"]
  cache:
    image: REDIS_IMAGE
    ports: ["6379:6379"]
    healthcheck: {test: ["CMD", "redis-cli", "ping"], interval: 5s}
  spare:
    image: REDIS_IMAGE
"""
INSIDE = """\
    import os, socket
    import pytest

    @pytest.mark.parametrize("number", range(6))
    def test_in(number):
        worker = os.environ["DOCKERCI_WORKER"]
        assert os.environ["PYTEST_XDIST_WORKER"] == "gw" + worker
        with socket.create_connection(("cache", 6379), 5) as connection:
            connection.sendall(b"RPUSH ran %d-%s\\r\\n" % (number, worker.encode()))
            connection.settimeout(2)
            assert connection.recv(100).startswith(b":")
    """
OUTSIDE = """\
    import pathlib
    import pytest

    @pytest.mark.parametrize("number", range(4))  # each worker gets two tests to begin with
    def test_out(number, dockerci_services, dockerci_container, dockerci_image, worker_id):
        assert dockerci_container.name == "web-test-" + worker_id[2:]
        worker = ["python3", "-c", "import os; print(os.environ['HOSTNAME'])"]
        assert dockerci_container.exec(worker).stdout.strip() == dockerci_container.id[:12]
        assert dockerci_image.id.startswith("sha256:")
        cache = dockerci_services["cache"]
        assert cache.address(6379)[0] == "127.0.0.1"
        web = dockerci_services["web"]  # started by the controller when it is first asked for
        assert web.exec(["python3", "-c", "print(1)"]).stdout == "1\\n"
        with pathlib.Path("seen").open("a") as file:
            file.write(f"{worker_id} {cache.container_id} {web.container_id}\\n")

    def test_kill_and_start(dockerci_services):
        spare = dockerci_services["spare"]  # used by no other test, for others run meanwhile
        spare.kill()
        spare.start()
        assert spare.exec(["redis-cli", "echo", "2"]).stdout == "2\\n"

    def test_unknown(dockerci_services):
        with pytest.raises(Exception, match="cache"):
            dockerci_services["cash"]
    """


def shop(project: Project, stack: str) -> None:
    """Tests on both sides, and a cache."""
    services = SERVICES.replace("REDIS_IMAGE", os.environ.get("REDIS_IMAGE", "redis:7"))
    project.write(
        compose_yaml=(project.root / "compose.yaml").read_text() + services,
        pytest_ini="[pytest]\ndockerci_service = web\ntestpaths = host tests\ndockerci_suite = tests\n"
        f"dockerci_stack = {stack}\n",
        tests__test_in_py=INSIDE,
        host__test_out_py=OUTSIDE,
    )


@pytest.mark.parametrize(
    ("stack", "stacks"), [("shared", 1), pytest.param("per-worker", 2, marks=pytest.mark.soak)]
)
def test_distributed(project: Project, stack: str, stacks: int) -> None:
    """Each test once; fixtures of a worker are about its container and its stack; all is removed."""
    shop(project, stack)
    outcome = project.run("-n2", "-v")
    assert outcome.exit_code == 0, outcome.output
    assert outcome.counts() == {"passed": 12}
    assert "the suite runs inside 2 containers" in outcome.output
    seen = {line.split()[0]: line.split()[1:] for line in (project.root / "seen").read_text().splitlines()}
    assert set(seen) == {"gw0", "gw1"}
    assert len({cache for cache, _ in seen.values()}) == stacks
    assert len({web for _, web in seen.values()}) == stacks


def test_failing_build(project: Project) -> None:
    """One error, exit code 6, no worker is started."""
    project.write(
        Dockerfile="FROM scratch\nCOPY nothing /\n",
        tests__test_any_py="def test_any(): pass\n",
    )
    outcome = project.run("-n2")
    assert outcome.exit_code == 6, outcome.output
    assert "ERROR dockerci::environment" in outcome.output
    assert outcome.counts() == {"error": 1}


@pytest.mark.soak
def test_a_service_that_is_not_ready(project: Project) -> None:
    """It is waited for once, for all workers; each test says why it was not run."""
    project.write(
        compose_yaml=(project.root / "compose.yaml").read_text() + DYING_SERVICE,
        tests__test_any_py="def test_a(): pass\ndef test_b(): pass\n",
    )
    outcome = project.run("-n2")
    assert outcome.exit_code == 6, outcome.output
    assert "no space for tables" in outcome.output
    assert outcome.counts() == {"error": 2}


@pytest.mark.soak
def test_control_c(project: Project) -> None:
    """Ctrl-C reaches controller and workers: pytest's own exit code, nothing left."""
    project.write(
        tests__test_slow_py="""\
            import time, pathlib, pytest
            @pytest.mark.parametrize("number", range(2))
            def test_slow(number, record_property):
                time.sleep(100)
            """
    )
    process = project.start("-n2", "-v", PYTHONUNBUFFERED="1")
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if "::test_slow[" in line:  # its end is written when the other one begins
            break
    timer = threading.Timer(1.0, os.killpg, (process.pid, signal.SIGINT))
    timer.start()
    lines += process.stdout
    exit_code = process.wait(60)
    outcome = Outcome(exit_code, "".join(lines))
    process.stdout.close()
    assert outcome.exit_code == 2, outcome.output
    assert "Traceback" not in outcome.output
    assert project.left_on_engine() == []


@pytest.mark.soak
def test_a_killed_worker(project: Project) -> None:
    """The worker that replaces it goes on in the same container; each other test is run once."""
    project.write(
        pytest_ini="[pytest]\ndockerci_service = web\ntestpaths = host tests\ndockerci_suite = tests\n",
        host__test_out_py="import os, signal\ndef test_killer(): os.kill(os.getpid(), signal.SIGKILL)\n",
        tests__test_in_py="""\
            import os, pytest
            @pytest.mark.parametrize("number", range(8))
            def test_in(number):
                os.close(os.open(f"/tmp/ran{number}", os.O_CREAT | os.O_EXCL))
                assert os.environ["DOCKERCI_WORKER"] in "01"
            """,
    )
    outcome = project.run("-n2", "-v")
    assert outcome.exit_code == 1, outcome.output
    assert outcome.counts() == {"failed": 1, "passed": 8}
    assert "crashed while running 'host/test_out.py::test_killer'" in outcome.output


def test_a_worker_that_is_killed_while_its_container_works(project: Project) -> None:
    """Its test fails; the one that replaces it has the same container, and no test there is run again."""
    project.write(
        conftest_py="""\
            import os, pathlib, signal, threading

            def pytest_runtest_logstart(nodeid):
                mark = pathlib.Path(__file__).with_name("killed")
                if "PYTEST_XDIST_WORKER" in os.environ and nodeid.endswith("[3]") and not mark.exists():
                    mark.touch()
                    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGKILL)).start()
            """,
        tests__test_in_py="""\
            import os, time, pytest
            @pytest.mark.parametrize("number", range(8))
            def test_in(number):
                os.close(os.open(f"/tmp/ran{number}", os.O_CREAT | os.O_EXCL))
                time.sleep(5 if number == 3 else 0)
            """,
    )
    outcome = project.run("-n1", "-v")
    assert outcome.exit_code == 1, outcome.output
    assert outcome.counts() == {"failed": 1, "passed": 7}, outcome.output
    assert "crashed while running 'tests/test_in.py::test_in[3]'" in outcome.output
