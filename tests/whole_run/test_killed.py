"""A run is killed, and some of its nets go with it: the others leave nothing behind."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from pytest_dockerci.engine.client import Engine
from pytest_dockerci.engine.labels import NONCE, RUN
from whole_run.project import WITH_REAPER, Project, processes_of

pytestmark = pytest.mark.engine

GONE_SECONDS = 8.0
SLOW_TEST = """\
    import time
    def test_slow():
        print("the test has begun", flush=True)
        time.sleep(100)
    """
MARKS = {
    "build": "] FROM ",  # not its number: a build of another test that has the same base may name the step
    "start": "dockerci: image",
    "collect": "dockerci: the suite runs",
    "test": "the test has begun",
}


class KilledRun:
    """A run of pytest that is about to be killed.

    Args:
        project: The project.
        mark: The run has come so far when this shows.
        args: pytest's arguments.
    """

    def __init__(self, project: Project, mark: str, *args: str, **environ: str) -> None:
        self._project = project
        self._earlier: list[Path] = []
        self._earlier = self.folders()
        self._process = project.start("-s", "-v", *args, **environ)
        self._output: list[str] = []
        self._has_come = threading.Event()
        self._mark = mark
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self._has_come.wait(100), self.output

    @property
    def output(self) -> str:
        """What it has printed."""
        return "".join(self._output)

    @property
    def run_id(self) -> str:
        """The run."""
        folders = self.folders()
        assert len(folders) == 1, self.output
        return folders[0].name

    def folders(self) -> list[Path]:
        """The folders of the project's runs, from this one on, that were not ended in good order."""
        return [folder for folder in self._project.run_folders() if folder not in self._earlier]

    def kill_watchdog(self) -> None:
        """Kill the run's watchdog alone."""
        [pid] = processes_of(self.run_id)
        os.kill(pid, signal.SIGKILL)

    def kill(self) -> None:
        """Kill pytest and its process group, without a word."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)

    def signal(self, number: int) -> None:
        """Send a signal to its process group."""
        os.killpg(self._process.pid, number)

    def exit_code(self) -> int:
        """Of the run, once it has ended by itself."""
        code = self._process.wait(60)
        self._reader.join()
        return code

    def await_end(self) -> None:
        """Let it end by itself."""
        assert self._process.wait(60) == 0, self.output

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout:
            for line in self._process.stdout:
                self._output.append(line)
                if self._mark in line:
                    self._has_come.set()
        self._has_come.set()


def await_nothing(project: Project, run: KilledRun, run_id: str) -> None:
    """Wait until nothing of the project is on the engine, nor of the run on the host, and see it stay so."""
    deadline = time.monotonic() + GONE_SECONDS
    while left := [*project.left_on_engine(), *processes_of(run_id)]:
        assert time.monotonic() < deadline, f"left: {left}\n{run.output}"
        time.sleep(0.1)
    time.sleep(0.5)
    assert project.left_on_engine() == []


@pytest.mark.parametrize(
    "phase",
    [
        pytest.param(phase, marks=pytest.mark.soak) if phase in ("build", "collect") else phase
        for phase in MARKS
    ],
)
def test_the_watchdog_alone(project: Project, engine: Engine, phase: str) -> None:
    """In each phase, Compose's programs and the builder's in flight included; on the host, whose it was stays."""
    project.write(tests__test_slow_py=SLOW_TEST)
    run = KilledRun(project, MARKS[phase])
    run_id = run.run_id
    run.kill()
    await_nothing(project, run, run_id)
    assert [file.name for folder in run.folders() for file in folder.iterdir()] == ["owner.json"]


@pytest.mark.parametrize("phase", [pytest.param("start", marks=pytest.mark.soak), "test"])
def test_the_reaper_alone(project: Project, phase: str) -> None:
    """As if the host were gone: neither pytest nor its watchdog is left."""
    project.write(tests__test_slow_py=SLOW_TEST)
    run = KilledRun(project, MARKS[phase], **WITH_REAPER)
    assert any("-reaper" in name for name in project.left_on_engine())
    run_id = run.run_id
    run.kill_watchdog()
    run.kill()
    await_nothing(project, run, run_id)


@pytest.mark.soak
def test_the_next_run(project: Project) -> None:
    """What is left where no other net was there is removed, and said; a run that goes on is left alone."""
    project.write(tests__test_slow_py=SLOW_TEST, tests__test_quick_py="def test_quick(): pass\n")
    run = KilledRun(project, "the test has begun", "tests/test_slow.py")
    run_id = run.run_id
    run.kill_watchdog()
    run.kill()
    left = project.left_on_engine()
    assert any("-web-test-0" in name for name in left)
    time.sleep(3)
    assert project.left_on_engine() == left
    neighbour = KilledRun(project, "the test has begun", "tests/test_slow.py")
    assert (
        f"dockerci: run {run_id} was killed; {len(left)} objects that it left are removed" in neighbour.output
    )
    outcome = project.run("tests/test_quick.py")
    assert outcome.exit_code == 0, outcome.output
    assert "was killed" not in outcome.output
    assert any("-web-test-0" in name for name in project.left_on_engine())
    neighbour_id = neighbour.run_id
    neighbour.kill()
    await_nothing(project, neighbour, neighbour_id)


def test_what_comes_late(project: Project, engine: Engine) -> None:
    """What a killed program had asked a busy engine for, and came after all had been removed, is the next run's."""
    project.write(tests__test_slow_py=SLOW_TEST, tests__test_quick_py="def test_quick(): pass\n")
    run = KilledRun(project, MARKS["collect"])
    run_id, [folder] = run.run_id, run.folders()
    labels = {RUN: run_id, NONCE: json.loads((folder / "owner.json").read_text())["nonce"]}
    run.kill()
    await_nothing(project, run, run_id)
    for _ in range(2):  # the second comes after a run that has looked once already
        network = engine.client.networks.create(
            f"dockerci-{project.root.name}-{run_id}_default", labels=labels
        )
        outcome = project.run("tests/test_quick.py")
        assert outcome.exit_code == 0, outcome.output
        assert f"run {run_id} was killed; 1 objects that it left are removed" in outcome.output
        assert network.id not in [each.id for each in engine.client.networks.list()]


@pytest.mark.soak
def test_a_forked_child_does_not_keep_the_nets_waiting(project: Project) -> None:
    """A plugin's process that outlives pytest holds copies of what was open."""
    project.write(
        tests__test_slow_py=SLOW_TEST,
        conftest_py="""\
            import os, time
            def pytest_runtestloop(session):
                if os.fork() == 0:
                    os.setsid()
                    time.sleep(30)
                    os._exit(0)
            """,
    )
    run = KilledRun(project, "the test has begun")
    run_id = run.run_id
    run.kill()
    await_nothing(project, run, run_id)


def test_without_a_reaper(project: Project) -> None:
    """It is said once, in words that lead on; the run is green all the same."""
    project.write(tests__test_any_py="def test_any(): pass\n")
    outcome = project.run("-o", "dockerci_reaper_image=localhost:9/none:1")
    assert outcome.exit_code == 0, outcome.output
    assert "dockerci: no reaper: there is no image localhost:9/none:1\n  why: " in outcome.output
    assert "  try: dockerci_reaper_image = " in outcome.output
    assert outcome.output.count("no reaper") == 1


def test_without_a_reaper_strictly(project: Project) -> None:
    """Then there is no run."""
    project.write(tests__test_any_py="def test_any(): pass\n")
    outcome = project.run("--dockerci-strict", "-o", "dockerci_reaper_image=localhost:9/none:1")
    assert outcome.exit_code == 6, outcome.output
    assert (
        "the reaper cannot be had (--dockerci-strict): there is no image localhost:9/none:1" in outcome.output
    )


@pytest.mark.soak
def test_an_image_that_is_no_reaper(project: Project, engine: Engine) -> None:
    """An image without Python cannot be one; the engine's words say so."""
    project.write(tests__test_any_py="def test_any(): pass\n")
    outcome = project.run("-o", "dockerci_reaper_image=dockerci-empty:1")
    assert outcome.exit_code == 0, outcome.output
    assert "dockerci: no reaper: its container of dockerci-empty:1 could not be started" in outcome.output
    assert "python3" in outcome.output


def test_a_run_that_ends_well_takes_its_nets_down(project: Project) -> None:
    """Neither a process nor a container is left when pytest returns."""
    project.write(
        tests__test_any_py="def test_any(): import time; print('the test has begun', flush=True); time.sleep(3)\n"
    )
    run = KilledRun(project, "the test has begun", **WITH_REAPER)
    assert len(processes_of(f"dockerci-{project.root.name}-")) == 1
    assert any("-reaper" in name for name in project.left_on_engine())
    run.await_end()
    assert processes_of(f"dockerci-{project.root.name}-") == []
    assert project.left_on_engine() == []


@pytest.mark.soak
def test_a_host_that_sleeps_for_longer_than_the_lease(project: Project) -> None:
    """A laptop's lid, a stopped process: the reaper takes the run for dead; the run sees that, and is not green."""
    project.write(tests__test_slow_py=SLOW_TEST + "def test_next(): pass\n")
    run = KilledRun(project, "the test has begun", **WITH_REAPER)
    run.signal(signal.SIGSTOP)
    deadline = time.monotonic() + 90
    while any("reaper" not in name for name in project.left_on_engine()):
        assert time.monotonic() < deadline, project.left_on_engine()
        time.sleep(0.5)
    run.signal(signal.SIGCONT)
    assert run.exit_code() == 7, run.output
    assert "container 0: the connection to the agent ended" in run.output
    assert project.left_on_engine() == []
