"""The engine is killed, frozen or restarted while a run goes on; an engine of the test's own."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import private_engine
from private_engine import PrivateEngine, running_engine
from whole_run.project import PYTHON_IMAGE, Outcome, Project

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(bool(private_engine.needs()), reason=private_engine.needs()),
]

SUITE = """\
    import time
    def test_before(): pass
    def test_waits():
        print("it waits", flush=True)
        time.sleep(100)
    def test_after(): pass
    """
LOST = "the Docker Engine at unix://{folder}/docker.sock (DOCKER_HOST) does not answer any more"


@pytest.fixture(scope="module")
def own_engine() -> Iterator[PrivateEngine]:
    """An engine with the base image."""
    folder = Path(tempfile.mkdtemp(prefix="dockerci-engine-"))  # pytest's folders are too deep for a socket
    try:
        with running_engine(folder, images=[PYTHON_IMAGE]) as engine:
            yield engine
    finally:
        shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def engine_goes_on(own_engine: PrivateEngine) -> Iterator[None]:
    """Whatever a test did to it, the next one finds it running."""
    yield
    own_engine.revive()


def run_and(
    project: Project, engine: PrivateEngine, mark: str, do: Callable[[], object]
) -> tuple[Outcome, float]:
    """A run with something done when its output has come to a mark; what came of it, seconds after that."""
    project.write(tests__test_it_py=SUITE)
    process = project.start("-v", "-s", **engine.environ)
    assert process.stdout is not None
    for line in process.stdout:
        if mark in line:
            break
    began = time.monotonic()
    do()
    outcome = project.finish(process)
    return outcome, time.monotonic() - began


def gc(project: Project, engine: PrivateEngine) -> str:
    """What a person does then."""
    command = [project.python, "-m", "pytest_dockerci.cli", "gc"]
    environ = {**project.environ, **engine.environ}
    done = subprocess.run(command, cwd=project.root, env=environ, capture_output=True, text=True, check=True)
    return done.stdout


def assert_lost(outcome: Outcome, *whys: str) -> None:
    """The running test has one of the causes, the other was not run, and what may be left is said."""
    assert outcome.exit_code == 7, outcome.output
    assert re.search(r"^FAILED tests/test_it.py::test_waits", outcome.output, re.MULTILINE)
    assert re.search(r"^ERROR tests/test_it.py::test_after - not run: ", outcome.output, re.MULTILINE)
    assert any(f": {why} (in call)" in outcome.output for why in whys), outcome.output
    assert "this run leaves something on the engine\n" in outcome.output
    assert "Traceback" not in outcome.output


@pytest.mark.soak
def test_killed_while_tests_run(project: Project, own_engine: PrivateEngine) -> None:
    """At once; when it is back, what the run has left is removed."""
    outcome, seconds = run_and(project, own_engine, "it waits", own_engine.kill)
    assert seconds < 10
    lost = LOST.format(folder=own_engine.folder)
    # Asked while its socket is still open, it hangs up.
    assert_lost(
        outcome, f"{lost}: connection refused", f"{lost}: connection reset by peer", f"{lost}: it hung up"
    )
    own_engine.start()
    assert own_engine.objects_of(project.root.name)
    assert "removing container dockerci-" in gc(project, own_engine)
    assert own_engine.objects_of(project.root.name) == []


@pytest.mark.soak
def test_restarted_while_tests_run(project: Project, own_engine: PrivateEngine) -> None:
    """It took the containers down; by the time of the clean-up it may be back."""

    def restart() -> None:
        own_engine.end()
        own_engine.start()

    outcome, seconds = run_and(project, own_engine, "it waits", restart)
    assert outcome.exit_code == 7, outcome.output
    assert re.search(r"^FAILED tests/test_it.py::test_waits", outcome.output, re.MULTILINE)
    assert seconds < 20
    gc(project, own_engine)
    assert own_engine.objects_of(project.root.name) == []


@pytest.mark.soak
def test_frozen_while_tests_run(project: Project, own_engine: PrivateEngine) -> None:
    """No connection breaks: it is seen by the silence."""
    outcome, seconds = run_and(project, own_engine, "it waits", lambda: own_engine.send(signal.SIGSTOP))
    assert seconds < 40
    assert_lost(outcome, f"{LOST.format(folder=own_engine.folder)}: no answer in 3 s")
    own_engine.send(signal.SIGCONT)
    gc(project, own_engine)
    assert own_engine.objects_of(project.root.name) == []


def assert_never_came_up(project: Project, engine: PrivateEngine, outcome: Outcome) -> None:
    """No test is reported as run, nobody sees a traceback, and nothing is left once the engine is back."""
    assert outcome.exit_code == 6, outcome.output
    assert "PASSED" not in outcome.output
    assert "Traceback" not in outcome.output
    engine.start()
    gc(project, engine)
    assert engine.objects_of(project.root.name) == []


def test_killed_while_the_image_is_built(project: Project, own_engine: PrivateEngine) -> None:
    """It takes the builder with it."""
    project.write(Dockerfile=f"FROM {PYTHON_IMAGE}\nRUN sleep 61.25\n", tests__test_it_py=SUITE)
    process = project.start("-v", **own_engine.environ)
    while subprocess.run(["pgrep", "-f", "^sleep 61.25"], capture_output=True, check=False).returncode:
        assert process.poll() is None
        time.sleep(0.05)
    own_engine.kill()
    began = time.monotonic()
    outcome = project.finish(process)
    assert time.monotonic() - began < 10
    assert_never_came_up(project, own_engine, outcome)


@pytest.mark.soak
def test_killed_while_services_start(project: Project, own_engine: PrivateEngine) -> None:
    """The tests are known by then: each says that it was not run."""
    project.write(
        compose_yaml=f"""\
            services:
              web: {{build: {{context: ., args: {{PYTHON_IMAGE: "{PYTHON_IMAGE}"}}}}, depends_on: [db]}}
              db:
                image: {PYTHON_IMAGE}
                command: [sleep, "600"]
                init: true
                healthcheck: {{test: [CMD, "false"]}}
            """
    )
    outcome, seconds = run_and(project, own_engine, "collected 3 items", own_engine.kill)
    assert seconds < 10
    assert_never_came_up(project, own_engine, outcome)
