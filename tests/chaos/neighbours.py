"""Ten runs of one project at once, half of them killed."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from chaos.place import bystanders, clear, engine_here, output_of, project_in, seconds_until_nothing
from chaos.trial import Family, Finding, Trial
from whole_run.project import Project

_RUNS = 10
_GONE_SECONDS = 30.0
# Ten at once take longer than this on two processors.
_KILLED_WITHIN_SECONDS = 15.0
_SUITE = "import time\ndef test_waits(): time.sleep(3)\ndef test_other(): pass\n"


@contextmanager
def _opened(folder: Path) -> Iterator[Callable[[Trial], Finding]]:
    with (
        engine_here() as engine,
        bystanders(engine, folder.name) as gone,
        project_in(folder / "neighbours", engine, _SUITE) as project,
    ):
        yield lambda trial: _round(project, trial, gone)


def _round(project: Project, trial: Trial, gone: Callable[[], list[str]]) -> Finding:
    chance = trial.random
    runs = [project.start("-v") for _ in range(_RUNS)]
    began = time.monotonic()
    killed: list[subprocess.Popen[str]] = []
    for at_seconds in sorted(chance.uniform(0, _KILLED_WITHIN_SECONDS) for _ in range(_RUNS // 2)):
        time.sleep(max(0.0, began + at_seconds - time.monotonic()))
        alive = [run for run in runs if run not in killed and run.poll() is None]
        if alive:
            killed.append(chance.choice(alive))
            os.killpg(killed[-1].pid, signal.SIGKILL)
    problems = [problem for run in runs if run not in killed for problem in _wrong(run)]
    for run in killed:
        output_of(run)
    seconds, left = seconds_until_nothing(project, _GONE_SECONDS)
    problems += [f"left: {each}" for each in left]
    problems += [f"somebody else's {thing} is gone" for thing in gone()]
    if problems:
        clear(project)
    return Finding(
        kind=f"{len(killed)} of {_RUNS} killed",
        problems=tuple(problems),
        figures={"seconds_until_nothing_is_left": seconds},
        cases=_RUNS,
    )


def _wrong(run: subprocess.Popen[str]) -> Iterator[str]:
    output = output_of(run)
    if output is None:
        yield "one hangs"
    elif run.returncode != 0 or "2 passed" not in output:
        yield f"exit code {run.returncode} of one that nobody killed: {output[-3000:]}"


NEIGHBOURS = Family(
    name="neighbours",
    promise="ten runs of one project at once, half of them killed: all the others are right, nothing is left",
    trials=10,
    small=0,
    opened=_opened,
)
