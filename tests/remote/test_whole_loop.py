"""This machine has no engine that counts: the whole loop runs on another one's, over either transport."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from pytest_dockerci.engine.client import Engine
from remote.conftest import REDIS_IMAGE
from remote.machine import PYTHON_IMAGE, Machine, docker
from whole_run.project import Project, processes_of
from whole_run.test_killed import SLOW_TEST, KilledRun, await_nothing

pytestmark = pytest.mark.engine

SERVICES = """\
    depends_on:
      cache: {condition: service_healthy}
    volumes: ["./settings.txt:/etc/app/settings.txt:ro"]
  cache:
    image: REDIS_IMAGE
    command: ["redis-server", "/etc/cache/cache.conf"]
    ports: ["6379"]
    volumes: ["./conf:/etc/cache"]
    healthcheck: {test: ["CMD", "redis-cli", "ping"], interval: 5s}
"""
INSIDE = """\
    import socket

    from app import ANSWER

    def test_image():
        assert ANSWER == 42

    def test_service():
        with socket.create_connection(("cache", 6379), 5) as connection:
            connection.sendall(b"SET seen inside\\r\\n")
            assert connection.recv(100) == b"+OK\\r\\n"

    def test_a_file_of_the_project():
        assert open("/etc/app/settings.txt").read() == "blue\\n"
    """
OUTSIDE = """\
    import socket

    def ask(address, text):
        with socket.create_connection(address, 5) as connection:
            connection.sendall(text.encode() + b"\\r\\n")
            connection.settimeout(5)
            return connection.recv(100)

    def test_address(dockerci_services):
        address = dockerci_services["cache"].address(6379)
        assert address[0] == "127.0.0.1"
        assert ask(address, "GET seen") == b"$6\\r\\ninside\\r\\n"
        assert ask(address, "CONFIG GET maxclients").endswith(b"$3\\r\\n123\\r\\n")

    def test_commands_and_stops(dockerci_services):
        cache = dockerci_services["cache"]
        assert cache.exec(["redis-cli", "get", "seen"]).stdout.strip() == "inside"
        assert "Ready to accept connections" in cache.logs()
        cache.restart()
        assert ask(cache.address(6379), "PING") == b"+PONG\\r\\n"
    """


@pytest.fixture
def far_project(project: Project, machine: Machine) -> Project:
    """With a service that reads its configuration from the project's files."""
    machine.load(REDIS_IMAGE)
    project.write(
        compose_yaml=(project.root / "compose.yaml").read_text()
        + SERVICES.replace("REDIS_IMAGE", REDIS_IMAGE),
        pytest_ini="[pytest]\ndockerci_service = web\ntestpaths = tests host\ndockerci_suite = tests\n",
        settings_txt="blue\n",
        tests__test_in_py=INSIDE,
        host__test_out_py=OUTSIDE,
    )
    (project.root / "conf").mkdir()
    (project.root / "conf" / "cache.conf").write_text("maxclients 123\nprotected-mode no\n")
    return project


PING = """\
    import socket

    import pytest

    @pytest.mark.parametrize("number", [1, 2, 3])
    def test_address(dockerci_services, number):
        with socket.create_connection(dockerci_services["cache"].address(6379), 5) as connection:
            connection.sendall(b"PING\\r\\n")
            assert connection.recv(100) == b"+PONG\\r\\n"
    """


def ssh_processes(machine: Machine) -> list[int]:
    """The ssh of this machine's runs, with what they are tied to."""
    return processes_of(f"-F {machine.folder}/ssh_config")


def test_build_services_suite_and_host_tests(
    far_project: Project, machine: Machine, by: dict[str, str], engine: Engine
) -> None:
    """All of it, and in the end nothing is left there, and no ssh here."""
    outcome = far_project.run("-v", **by)
    assert outcome.exit_code == 0, outcome.output
    assert outcome.counts() == {"passed": 5}
    assert "copied to the engine's machine, where it is elsewhere: " in outcome.output
    assert ssh_processes(machine) == []


def test_a_path_of_this_machine_is_refused(project: Project, machine: Machine) -> None:
    """With the line where it stands, before anything is built."""
    file = project.root / "compose.yaml"
    file.write_text(file.read_text() + "    volumes:\n      - /etc/hostname:/etc/name:ro\n")
    project.write(tests__test_any_py="def test_any(): pass\n")
    outcome = project.run(**machine.by_tls)
    assert outcome.exit_code == 4, outcome.output
    line = len(file.read_text().splitlines())
    assert (
        'the service "web" mounts /etc/hostname, which the engine\'s machine does not have\n'
        f"  why: {file}:{line}: the engine is at tcp://127.0.0.1:{machine.port(2376)} (DOCKER_HOST); "
        "only the project's own files are copied there\n"
        f"  try: move it below {project.root}; what is that machine's own is a volume with "
        "driver_opts: {type: none, o: bind, device: PATH}"
    ) in outcome.output


@pytest.mark.soak
def test_ctrl_c(far_project: Project, machine: Machine, by: dict[str, str]) -> None:
    """Ends it as on an engine here."""
    far_project.write(tests__test_in_py=SLOW_TEST)
    run = KilledRun(far_project, "it runs", **by)
    os.killpg(run._process.pid, signal.SIGINT)
    assert run._process.wait(30) == 2, run.output
    assert far_project.left_on_engine() == []
    assert ssh_processes(machine) == []


@pytest.mark.soak
def test_a_killed_run_and_its_watchdog(far_project: Project, machine: Machine, by: dict[str, str]) -> None:
    """The watchdog opens a tunnel of its own, and ends it."""
    far_project.write(tests__test_in_py=SLOW_TEST)
    run = KilledRun(far_project, "it runs", **by)
    run_id = run.run_id
    run.kill()
    await_nothing(far_project, run, run_id)
    await_no_ssh(machine)


@pytest.mark.soak
def test_a_killed_run_and_its_reaper(far_project: Project, machine: Machine, by: dict[str, str]) -> None:
    """The host is gone as a whole: the engine's machine cleans up by itself."""
    far_project.write(tests__test_in_py=SLOW_TEST)
    run = KilledRun(far_project, "it runs", DOCKERCI_REAPER_IMAGE=PYTHON_IMAGE, **by)
    assert any("-reaper" in name for name in far_project.left_on_engine())
    run_id = run.run_id
    run.kill_watchdog()
    run.kill()
    await_nothing(far_project, run, run_id)
    await_no_ssh(machine)


def await_no_ssh(machine: Machine) -> None:
    """No ssh outlives its run for long."""
    deadline = time.monotonic() + 5
    while left := ssh_processes(machine):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


TWO_TESTS = f"{SLOW_TEST}\n    def test_after(): pass\n"


@pytest.mark.soak
def test_ssh_is_lost(far_project: Project, machine: Machine) -> None:
    """The running test fails with ssh's words, the rest has no verdict, and what is there is removed all the same."""
    far_project.write(tests__test_in_py=TWO_TESTS)
    run = KilledRun(far_project, "it runs", "tests", **machine.by_ssh)
    [ssh] = [
        pid
        for pid in ssh_processes(machine)
        if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"/usr/bin/ssh\0")
    ]
    os.kill(ssh, signal.SIGKILL)
    assert run._process.wait(60) == 7, run.output
    url = machine.by_ssh["DOCKER_HOST"]
    assert (
        f"the connection to the Docker Engine at {url} (DOCKER_HOST) was lost: ssh ended with exit code 137"
        in run.output
    ), run.output
    assert "tests/test_in.py::test_after - not run: " in run.output
    assert far_project.left_on_engine() == []
    assert ssh_processes(machine) == []


@pytest.mark.soak
def test_the_other_machine_falls_silent(far_project: Project, machine: Machine) -> None:
    """Nothing comes back on the connection: it is given up after 15 s."""
    far_project.write(tests__test_in_py=TWO_TESTS)
    run = KilledRun(far_project, "it runs", "tests", **machine.by_ssh)
    session = machine.run("pgrep", "-f", "sshd.*root@notty|sshd-session.*root").split()
    machine.run("kill", "-STOP", *session)
    try:
        started = time.monotonic()
        assert run._process.wait(60) == 7, run.output
        assert time.monotonic() - started < 40
        assert "does not answer any more: " in run.output, run.output
    finally:
        machine.run("sh", "-c", f"kill -CONT {' '.join(session)} || :")
    assert far_project.left_on_engine() == []
    await_no_ssh(machine)


@pytest.mark.soak
def test_workers_of_xdist(far_project: Project, machine: Machine, by: dict[str, str]) -> None:
    """Each reaches the engine by itself, and services by the same relay."""
    far_project.write(host__test_out_py=PING)
    outcome = far_project.run("-v", "-n", "2", **by)
    assert outcome.exit_code == 0, outcome.output
    assert outcome.counts() == {"passed": 6}
    assert ssh_processes(machine) == []


@pytest.mark.soak
def test_several_containers(far_project: Project, machine: Machine, by: dict[str, str]) -> None:
    """With a stack for each."""
    outcome = far_project.run(
        "-v", "--dockerci-workers", "2", "-o", "dockerci_stack=per-worker", "tests", **by
    )
    assert outcome.exit_code == 0, outcome.output
    assert ssh_processes(machine) == []


@pytest.mark.soak
def test_a_command(far_project: Project, machine: Machine, by: dict[str, str]) -> None:
    """A suite that is not pytest's, whose image may have no Python: the relay is then one of the reaper's image."""
    program = 'import socket; socket.create_connection(("cache", 6379), 5); print("Result: SUCCESS!")'
    far_project.write(
        pytest_ini=f"""\
            [pytest]
            dockerci_service = web
            testpaths = host
            dockerci_host_suite = host
            dockerci_command = python3 -c '{program}'
            """,
        host__test_out_py=PING,
    )
    outcome = far_project.run("-v", DOCKERCI_REAPER_IMAGE=PYTHON_IMAGE, **by)
    assert outcome.exit_code == 0, outcome.output
    assert outcome.counts() == {"passed": 4}
    assert ssh_processes(machine) == []


@pytest.mark.soak
@pytest.mark.parametrize("transport", ["tls", "ssh"])
@pytest.mark.parametrize("is_current", [True, False], ids=["current", "named"])
def test_contexts(
    far_project: Project,
    machine: Machine,
    tmp_path: Path,
    transport: str,
    is_current: bool,  # noqa: FBT001
) -> None:
    """Of Docker's command line: `docker context use`, and DOCKER_CONTEXT."""
    environ = {"DOCKER_CONFIG": str(tmp_path), "PATH": machine.path_with_ssh}
    host = machine.by_ssh["DOCKER_HOST"]
    if transport == "tls":
        folder = machine.by_tls["DOCKER_CERT_PATH"]
        host = machine.by_tls["DOCKER_HOST"]
        host += f",ca={folder}/ca.pem,cert={folder}/cert.pem,key={folder}/key.pem"
    docker("context", "create", "far", "--docker", f"host={host}", environ=environ)
    if is_current:
        docker("context", "use", "far", environ=environ)
    else:
        environ["DOCKER_CONTEXT"] = "far"
    outcome = far_project.run("-v", **environ)
    assert outcome.exit_code == 0, outcome.output
    assert outcome.counts() == {"passed": 5}
