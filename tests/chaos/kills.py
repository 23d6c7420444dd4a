"""A run is killed without a word at a random instant."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from chaos.place import (
    REAPER_IMAGE,
    bystanders,
    clear,
    engine_here,
    output_of,
    project_in,
    seconds_until_nothing,
)
from chaos.trial import Family, Finding, Trial
from whole_run.project import Project, processes_of

# Of fifteen trials, three kill the whole group, one of these the watchdog too, and two while Compose works.
_KINDS = (
    "process group",
    "process group",
    "process group and watchdog",
    "process, compose in flight",
    "process, compose in flight",
    *["process"] * 10,
)
_GONE_SECONDS = 5.0
_LONGEST_WAIT_SECONDS = 60.0


@contextmanager
def _opened(folder: Path) -> Iterator[Callable[[Trial], Finding]]:
    with (
        engine_here() as engine,
        bystanders(engine, folder.name) as gone,
        project_in(folder / "kills", engine) as project,
    ):
        began = time.monotonic()
        output_of(_start(project))
        duration_seconds = time.monotonic() - began

        def make(trial: Trial) -> Finding:
            finding = _killed(project, trial, duration_seconds)
            touched = gone()
            problems = (*finding.problems, *(f"somebody else's {thing} is gone" for thing in touched))
            return replace(finding, problems=problems)

        yield make


def _start(project: Project) -> subprocess.Popen[str]:
    return project.start("-v", DOCKERCI_REAPER_IMAGE=REAPER_IMAGE)


def _killed(project: Project, trial: Trial, duration_seconds: float) -> Finding:
    chance = trial.random
    kind = _KINDS[trial.number % len(_KINDS)]
    project.write(app_py=f"ANSWER = {chance.random()}\n" if chance.random() < 0.3 else "ANSWER = 42\n")
    while True:
        process = _start(project)
        if _await_instant(project, process, kind, chance, duration_seconds):
            break
        output_of(process)  # it was quicker: once more
    if "watchdog" in kind:
        for pid in processes_of(f"dockerci-{project.root.name}-"):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    if "group" in kind:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    seconds, left = seconds_until_nothing(project, _LONGEST_WAIT_SECONDS)
    output_of(process)
    problems = [f"left for ever: {each}" for each in left]
    late = [f"gone only after {seconds:.1f} s"] if not left and seconds > _GONE_SECONDS else []
    if problems:
        clear(project)
    return Finding(
        kind=kind,
        problems=tuple(problems),
        late=tuple(late),
        figures={"seconds_until_nothing_is_left": seconds},
    )


def _await_instant(
    project: Project,
    process: subprocess.Popen[str],
    kind: str,
    chance: random.Random,
    duration_seconds: float,
) -> bool:
    """Wait for the instant; False when the run has ended before."""
    if "compose" in kind:
        word = f"compose --project-name dockerci-{project.root.name}-"
        _await(process, lambda: bool(processes_of(word)))
        time.sleep(chance.uniform(0, 0.3))
        return process.poll() is None and bool(processes_of(word))
    if "watchdog" in kind:
        # Before that, only the next run could see to it.
        _await(process, lambda: any("reaper" in name for name in project.left_on_engine()))
        time.sleep(chance.uniform(0.5, duration_seconds / 2))
    else:
        time.sleep(chance.uniform(0, duration_seconds))
    return process.poll() is None


def _await(process: subprocess.Popen[str], is_so: Callable[[], bool]) -> None:
    while process.poll() is None and not is_so():
        time.sleep(0.01)


KILLS = Family(
    name="kills",
    promise="killed without a word at any instant: nothing left after 5 s, nothing of others touched",
    trials=300,
    small=1,
    opened=_opened,
)
