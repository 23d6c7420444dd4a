"""A run is interrupted or terminated at a random instant."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from chaos.place import clear, engine_here, left_of, output_of, project_in
from chaos.trial import Family, Finding, Trial
from whole_run.project import Project

_SECONDS = 7.5
# (signal, seconds after the one before), and whether the whole group gets them.
_KINDS: dict[str, tuple[list[tuple[int, float]], bool]] = {
    "INT": ([(signal.SIGINT, 0.0)], False),
    "TERM": ([(signal.SIGTERM, 0.0)], False),
    "INT to the group": ([(signal.SIGINT, 0.0)], True),
    "TERM to the group": ([(signal.SIGTERM, 0.0)], True),
    "HUP": ([(signal.SIGHUP, 0.0)], False),
    "INT twice": ([(signal.SIGINT, 0.0), (signal.SIGINT, 0.4)], False),
    "INT ten times": ([(signal.SIGINT, 0.1)] * 10, True),
    "INT, TERM, KILL": ([(signal.SIGINT, 0.0), (signal.SIGTERM, 7.5), (signal.SIGKILL, 2.5)], False),
}


@contextmanager
def _opened(folder: Path) -> Iterator[Callable[[Trial], Finding]]:
    with engine_here() as engine, project_in(folder / "interrupts", engine) as project:
        began = time.monotonic()
        output_of(project.start("-v"))
        duration_seconds = time.monotonic() - began
        yield lambda trial: _interrupted(project, trial, duration_seconds)


def _interrupted(project: Project, trial: Trial, duration_seconds: float) -> Finding:
    chance = trial.random
    kind = list(_KINDS)[trial.number % len(_KINDS)]
    signals, to_group = _KINDS[kind]
    process = _process_at_an_instant(project, chance, duration_seconds)
    began = time.monotonic()
    for number, pause_seconds in signals:
        with suppress(subprocess.TimeoutExpired):
            process.wait(pause_seconds)
        if process.poll() is not None:
            break
        (os.killpg if to_group else os.kill)(process.pid, number)
    output = output_of(process)
    seconds = time.monotonic() - began
    left = left_of(project)
    problems = [f"left at its end: {each}" for each in left]
    if output is None:
        problems.append("it hangs")
    elif "INTERNALERROR" in output or process.returncode in (0, 3):
        problems.append(f"exit code {process.returncode}: {output[-2000:]}")
    if left:
        clear(project)
    late = (f"took {seconds:.1f} s",) if seconds > _SECONDS else ()
    return Finding(kind=kind, problems=tuple(problems), late=late, figures={"seconds_to_the_end": seconds})


def _process_at_an_instant(
    project: Project, chance: random.Random, duration_seconds: float
) -> subprocess.Popen[str]:
    while True:
        process = project.start("-v")
        time.sleep(chance.uniform(0, duration_seconds))
        if process.poll() is None:
            return process
        output_of(process)  # it was quicker: once more


INTERRUPTS = Family(
    name="interrupts",
    promise="signals at any instant: ended within 7.5 s, never green, nothing left at the end",
    trials=230,  # of which 28 are HUP
    small=1,
    opened=_opened,
)
