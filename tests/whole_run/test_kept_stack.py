from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_dockerci.engine.client import Engine
from whole_run.project import PYTHON_IMAGE, Outcome, Project, processes_of

pytestmark = pytest.mark.engine

SETTINGS = "[pytest]\ndockerci_service = web\ntestpaths = tests\naddopts = --dockerci-keep\n"
# A service whose state is a file: what it was asked to remember, and how often it was reset.
COMPOSE = f"""\
services:
  web:
    build: {{context: ., args: {{PYTHON_IMAGE: "{PYTHON_IMAGE}"}}}}
    depends_on: {{db: {{condition: service_healthy}}}}
  db:
    image: {PYTHON_IMAGE}
    command: [python3, -m, http.server, --directory, /tmp, "80"]
    healthcheck: {{test: [CMD, test, -d, /tmp], interval: 5s}}
    expose: [80]
    environment: {{MODE: "${{MODE:-plain}}"}}
    stop_grace_period: 0s
    RESET
"""
RESET = "x-dockerci: {reset: [sh, -c, 'echo reset >> /tmp/resets']}"
TESTS = """\
    import os, urllib.request
    def test_service(): urllib.request.urlopen("http://db/", timeout=5).close()
    def test_run(): print("run", os.environ["DOCKERCI_RUN_ID"])
    """
USED = "dockerci: uses the stack that was kept"
LEFT = "dockerci: the stack is kept, for"


@pytest.fixture
def kept(project: Project) -> Iterator[Project]:
    """A project whose runs keep their stack; ended after the test."""
    project.write(compose_yaml=COMPOSE.replace("RESET", ""), pytest_ini=SETTINGS, tests__test_any_py=TESTS)
    yield project
    down(project)
    await_nothing_left(project, 20)  # its keeper may be about it


def down(project: Project, *arguments: str) -> Outcome:
    """Run `dockerci down` in the project."""
    return command(project, "down", *arguments)


def command(project: Project, *arguments: str) -> Outcome:
    """Run the command in the project."""
    completed = subprocess.run(
        [sys.executable, "-m", "pytest_dockerci.cli", *arguments],
        cwd=project.root,
        env=project.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Outcome(completed.returncode, completed.stdout + completed.stderr)


def containers(project: Project, engine: Engine) -> dict[str, str]:
    """Service to container id."""
    prefix = f"dockerci-{project.root.name}-"
    listed = engine.client.api.containers(all=True)
    return {
        data["Labels"]["com.docker.compose.service"]: data["Id"]
        for data in listed
        if prefix in data["Names"][0] and "com.docker.compose.service" in data["Labels"]
    }


def commands_of(project: Project) -> Path:
    """Where a program stands in front of `docker` that writes down what is called."""
    folder = project.root.parent / "bin"
    folder.mkdir(exist_ok=True)
    log = folder / "calls.log"
    docker = folder / "docker"
    docker.write_text(f'#!/bin/sh\necho "$@" >> {log}\nPATH={os.environ["PATH"]}\nexec docker "$@"\n')
    docker.chmod(0o755)
    return log


def state_of(project: Project) -> Any:
    """What is written down of the kept stack."""
    [file] = project.root.parent.glob("cache/pytest-dockerci/*/runs/*/kept.json")
    return json.loads(file.read_text())


def test_the_next_run_uses_the_stack(kept: Project, engine: Engine) -> None:
    """Warm: the same containers, no command of Docker's, no other image; edited and new tests run as they are now."""
    first = kept.run("-s")
    assert first.exit_code == 0, first.output
    assert LEFT in first.output
    assert "`dockerci down` ends it" in first.output
    before = containers(kept, engine)
    assert set(before) == {"db", "web-test-0"}

    log = commands_of(kept)
    path = f"{log.parent}:{os.environ['PATH']}"
    warm = kept.run("-s", PATH=path)
    assert warm.exit_code == 0, warm.output
    assert f"{USED} " in warm.output
    assert "ago (as the last run left it); `dockerci down` ends it" in warm.output
    assert containers(kept, engine) == before
    assert not log.exists(), log.read_text()
    runs = [re.findall(r"run (\S+)", outcome.output)[0] for outcome in (first, warm)]
    assert runs[0] != runs[1]

    kept.write(
        tests__test_any_py=TESTS.rstrip() + "\n    def test_more(): assert 1 == 2\n",
        tests__deep__test_new_py="def test_new(): pass\n",
    )
    edited = kept.run("-v", PATH=path)
    assert edited.counts() == {"passed": 3, "failed": 1}, edited.output
    assert containers(kept, engine) == before
    assert not log.exists()

    quiet = kept.run("-q", "--collect-only", PATH=path)
    assert "tests/deep/test_new.py::test_new" in quiet.output
    assert USED in quiet.output
    assert containers(kept, engine) == before
    assert not log.exists()


def test_the_agent_of_a_kept_stack_starts_early(kept: Project, engine: Engine) -> None:
    """It is there before pytest has loaded the project; where the run comes to nothing, it goes, and the lock."""
    seen = kept.root.parent / "seen"
    kept.write(
        conftest_py=f"""\
            import docker, time
            def pytest_configure(config):
                client, deadline = docker.from_env(), time.monotonic() + 10
                for container in client.containers.list(filters={{"name": "{kept.root.name}.*-web-test-0"}}):
                    while "supervisor" not in str(container.top()) and time.monotonic() < deadline:
                        time.sleep(0.05)
                    with open("{seen}", "a") as file:
                        print("supervisor" in str(container.top()), file=file)
                client.close()
            """
    )
    assert kept.run().exit_code == 0
    warm = kept.run()
    assert warm.exit_code == 0, warm.output
    assert USED in warm.output
    assert seen.read_text() == "True\n"

    assert kept.run("-o", "dockerci_stack=nonsense").exit_code == 4
    container = engine.client.containers.get(containers(kept, engine)["web-test-0"])
    deadline = time.monotonic() + 10
    while "supervisor" in str(container.top()):
        assert time.monotonic() < deadline, container.top()
        time.sleep(0.05)
    again = kept.run("-o", "dockerci_env=NEW=1")
    assert "not all of the kept stack can be used: settings or Compose files have changed" in again.output
    assert again.exit_code == 0, again.output


@pytest.mark.soak
def test_what_has_changed_is_made_anew(kept: Project, engine: Engine) -> None:
    """A removed test, a setting or the image: the container under test; a service's definition: the stack."""
    kept.write(tests__test_gone_py="def test_gone(): pass\n")
    assert kept.run().exit_code == 0
    first = containers(kept, engine)

    (kept.root / "tests/test_gone.py").unlink()
    outcome = kept.run()
    assert "not all of the kept stack can be used: files of the suite were removed" in outcome.output
    assert outcome.counts() == {"passed": 2}, outcome.output
    second = containers(kept, engine)
    assert second["db"] == first["db"]
    assert second["web-test-0"] != first["web-test-0"]

    kept.write(
        app_py="ANSWER = 43\n", tests__test_app_py="import app\ndef test_app(): assert app.ANSWER == 43\n"
    )
    outcome = kept.run()
    assert "what the image is built from has changed" in outcome.output
    assert outcome.counts() == {"passed": 3}, outcome.output
    third = containers(kept, engine)
    assert third["db"] == first["db"]
    assert third["web-test-0"] != second["web-test-0"]

    outcome = kept.run(MODE="other")
    assert "the Compose files have changed" in outcome.output
    assert "the kept stack does not fit any more; a new one takes its place" in outcome.output
    assert outcome.counts() == {"passed": 3}, outcome.output
    assert containers(kept, engine)["db"] != first["db"]
    assert kept.run(MODE="other").output.count(USED) == 1

    engine.client.api.kill(containers(kept, engine)["db"])
    outcome = kept.run(MODE="other")
    assert re.search(r"db-1 is Exited \(137\)", outcome.output), outcome.output
    assert outcome.counts() == {"passed": 3}, outcome.output


@pytest.mark.soak
def test_reset(kept: Project, engine: Engine) -> None:
    """The declared command runs between runs, on a warm start and on one that is not; its failure is told."""
    kept.write(compose_yaml=COMPOSE.replace("RESET", RESET))
    count = """\
        import urllib.request
        def test_count():
            with urllib.request.urlopen("http://db/resets") as answer: print("resets:", answer.read().count(b"reset"))
        """
    assert kept.run().exit_code == 0
    kept.write(tests__test_count_py=count)
    outcome = kept.run("-s")
    assert "(reset: db)" in outcome.output, outcome.output
    assert "resets: 1" in outcome.output, outcome.output
    outcome = kept.run("-s", "-o", "dockerci_env=OTHER=1")
    assert "resets: 2" in outcome.output, outcome.output

    kept.write(compose_yaml=COMPOSE.replace("RESET", RESET.replace("echo reset", "echo no >&2; exit 3")))
    assert kept.run("-k", "test_run").exit_code == 0
    outcome = kept.run("-k", "test_run")
    assert outcome.exit_code == 6
    assert 'service "db" could not be reset' in outcome.output
    assert "ended with exit code 3" in outcome.output

    kept.write(compose_yaml=COMPOSE.replace("RESET", "x-dockerci: {rest: x}"))
    outcome = kept.run()
    assert outcome.exit_code == 4
    assert "the service 'db' has x-dockerci: rest, which means nothing" in outcome.output


@pytest.mark.soak
def test_two_runs_at_once(kept: Project, engine: Engine) -> None:
    """The second one says that the stack is in use, and starts its own, which it removes."""
    kept.write(
        tests__test_slow_py="import time\ndef test_slow(): print('it runs', flush=True); time.sleep(300)\n"
    )
    assert kept.run("-k", "not slow").exit_code == 0
    process = kept.start("-s", "-k", "slow")
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")
    assert any("it runs" in line for line in lines)
    before = containers(kept, engine)

    second = kept.run("-k", "not slow")
    assert second.exit_code == 0, second.output
    expected = f"the kept stack is in use by process {process.pid}; this run starts its own, and removes it"
    assert expected in second.output
    assert LEFT not in second.output
    assert containers(kept, engine) == before
    refused = down(kept)
    assert refused.exit_code == 9
    assert f"is in use by process {process.pid}" in refused.output
    assert f"is a kept stack in use (process {process.pid}): left alone" in command(kept, "gc").output

    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert containers(kept, engine) == before
    assert kept.run("-k", "not slow").output.count(USED) == 1
    assert containers(kept, engine) == before


def test_commands_that_know_it(kept: Project, engine: Engine) -> None:
    """`gc` leaves it, a run without the option says that it is there, `down` ends it, and its keeper."""
    assert kept.run().exit_code == 0
    assert re.search(
        rf"run \w+ is a kept stack of {kept.root}, for \d+ minutes more \(`dockerci down` ends it\): left alone",
        command(kept, "gc").output,
    )
    assert set(containers(kept, engine)) == {"db", "web-test-0"}
    cold = kept.run("-o", "addopts=")
    assert "dockerci: a stack of this project is kept since" in cold.output
    assert set(containers(kept, engine)) == {"db", "web-test-0"}
    [keeper] = processes_of(f"keeper_process.py {kept.root.parent}")

    outcome = down(kept)
    assert outcome.exit_code == 0, outcome.output
    assert f"ended the stack of {kept.root}" in outcome.output
    assert kept.left_on_engine() == []
    assert list(kept.root.parent.glob("cache/pytest-dockerci/*/runs/*")) == []
    await_end(keeper)
    assert "no stack is kept for" in down(kept).output


def await_end(pid: int) -> None:
    """Wait for the end of a process that is nobody's child."""
    for _ in range(100):
        if not _command_line(pid):
            return
        time.sleep(0.1)
    pytest.fail(f"process {pid} goes on")


def _command_line(pid: int) -> bytes:
    """Empty for a process that has ended, whether somebody has asked for its exit code or not."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def await_nothing_left(project: Project, seconds: float) -> None:
    """Wait until nothing of the project is on the engine."""
    deadline = time.monotonic() + seconds
    while project.left_on_engine():
        assert time.monotonic() < deadline, project.left_on_engine()
        time.sleep(0.2)


@pytest.mark.soak
def test_expiry_by_the_keeper(kept: Project) -> None:
    """Nobody runs anything again: the stack goes when its time is up, and not while a run uses it."""
    kept.write(tests__test_slow_py="import time\ndef test_slow(): time.sleep(21)\n")
    settings = ("-o", "dockerci_keep_expiry_seconds=20")
    assert kept.run(*settings, "-k", "not slow").exit_code == 0
    [keeper] = processes_of(f"keeper_process.py {kept.root.parent}")
    slow = kept.run(*settings, "-k", "slow")
    assert slow.exit_code == 0, slow.output
    assert USED in slow.output, slow.output
    assert kept.left_on_engine() != []
    await_nothing_left(kept, 40)
    await_end(keeper)
    assert list(kept.root.parent.glob("cache/pytest-dockerci/*/runs/*")) == []


def test_expiry_of_a_stack_that_nobody_uses(kept: Project) -> None:
    """The keeper on the host removes it."""
    assert kept.run("-o", "dockerci_keep_expiry_seconds=1").exit_code == 0
    await_nothing_left(kept, 20)


@pytest.mark.soak
def test_expiry_by_the_reaper(kept: Project) -> None:
    """The host is gone: the reaper on the engine waits as long, and removes the stack then."""
    settings = ("-o", "dockerci_keep_expiry_seconds=15")
    assert kept.run(*settings, DOCKERCI_REAPER_IMAGE=PYTHON_IMAGE).exit_code == 0
    [keeper] = processes_of(f"keeper_process.py {kept.root.parent}")
    os.kill(keeper, signal.SIGKILL)
    for _ in range(3):  # each use begins the time anew
        time.sleep(5)
        assert kept.run(*settings, DOCKERCI_REAPER_IMAGE=PYTHON_IMAGE).output.count(USED) == 1
    [keeper] = processes_of(f"keeper_process.py {kept.root.parent}")  # it was missed, and started again
    os.kill(keeper, signal.SIGKILL)
    assert kept.left_on_engine() != []
    await_nothing_left(kept, 30)


@pytest.mark.soak
def test_expiry_by_the_next_run(kept: Project) -> None:
    """Keeper and reaper are gone: the next run removes what has expired before it starts its own."""
    assert kept.run().exit_code == 0
    [keeper] = processes_of(f"keeper_process.py {kept.root.parent}")
    os.kill(keeper, signal.SIGKILL)
    [file] = kept.root.parent.glob("cache/pytest-dockerci/*/runs/*/kept.json")
    two_hours_ago = time.time() - 7200
    os.utime(file, (two_hours_ago, two_hours_ago))
    outcome = kept.run("-o", "addopts=")
    assert outcome.exit_code == 0
    assert re.search(
        r"dockerci: kept stack \w+ has expired; \d+ objects that it left are removed", outcome.output
    )
    assert kept.left_on_engine() == []


@pytest.mark.soak
def test_a_run_that_is_killed(kept: Project, engine: Engine) -> None:
    """Killed before its stack was kept, a run leaves nothing; on a kept stack it leaves that one, for the next."""
    slow = "import time\ndef test_slow(): print('it runs', flush=True); time.sleep(60)\n"
    kept.write(tests__test_slow_py=slow)

    def kill() -> None:
        process = kept.start("-s", "-k", "slow")
        assert process.stdout is not None
        assert any("it runs" in line for line in iter(process.stdout.readline, ""))
        process.kill()
        process.communicate(timeout=30)

    kill()
    await_nothing_left(kept, 20)
    assert kept.run("-k", "not slow").exit_code == 0
    before = containers(kept, engine)
    kill()
    outcome = kept.run("-k", "not slow")
    assert outcome.counts()["passed"] == 2, outcome.output
    assert containers(kept, engine)["db"] == before["db"]


@pytest.mark.soak
def test_host_tests_and_workers(kept: Project, engine: Engine) -> None:
    """Services are at hand on a warm stack, late ones too; several workers and pytest-xdist use it as well."""
    kept.write(
        pytest_ini=SETTINGS + "dockerci_suite = tests\n".replace("testpaths", ""),
        host__test_host_py="""\
            def test_services(dockerci_services, dockerci_container):
                host, port = dockerci_services["db"].address(80)
                assert dockerci_services["db"].exec(["true"]).exit_code == 0
                assert dockerci_container.exec(["echo", "x"]).stdout == "x\\n"
            def test_late(dockerci_services):
                assert dockerci_services["web"].exec(["true"]).exit_code == 0
            """,
        Dockerfile='ARG PYTHON_IMAGE\nFROM ${PYTHON_IMAGE}\nWORKDIR /srv/app\nCOPY app.py .\nCMD ["sleep", "600"]\n',
    )
    assert kept.run("--dockerci-workers=2", "tests").exit_code == 0
    before = containers(kept, engine)
    assert set(before) == {"db", "web-test-0", "web-test-1"}
    outcome = kept.run("--dockerci-workers=2", "tests", "host")
    assert outcome.counts() == {"passed": 4}, outcome.output
    assert USED in outcome.output
    after = containers(kept, engine)
    assert {name: after[name] for name in before} == before
    outcome = kept.run("--dockerci-workers=2", "tests", "host")
    assert outcome.counts() == {"passed": 4}, outcome.output
    assert containers(kept, engine) == after
    outcome = kept.run("-n2", "tests", "host")
    assert outcome.counts() == {"passed": 4}, outcome.output
    assert USED in outcome.output
    assert containers(kept, engine)["db"] == before["db"]


@pytest.mark.soak
def test_processes_that_tests_leave(kept: Project) -> None:
    """What a test has started in the background is gone before the next run."""
    kept.write(
        tests__test_server_py="""\
            import subprocess, sys
            def test_starts():
                program = "import socket, time; s = socket.create_server(('', 8000)); print(); time.sleep(100)"
                argv = [sys.executable, "-uc", program]
                process = subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True)
                assert process.stdout.readline() == b"\\n"
            """
    )
    for _ in range(3):
        outcome = kept.run()
        assert outcome.counts() == {"passed": 3}, outcome.output
