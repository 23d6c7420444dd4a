"""The engine is killed at a random instant of a run."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from chaos.place import clear, engine_here, output_of, project_in
from chaos.trial import Family, Finding, Trial
from private_engine import PrivateEngine
from whole_run.project import PYTHON_IMAGE, Project

_VERDICT_SECONDS = 3.0


class _OwnProject(Project):
    """A project whose runs use an engine of their own."""

    own_environ: dict[str, str]

    @property
    def environ(self) -> dict[str, str]:
        return {**super().environ, **self.own_environ}


@contextmanager
def _opened(folder: Path) -> Iterator[Callable[[Trial], Finding]]:
    own = PrivateEngine(folder)
    try:
        own.start()
        own.load([PYTHON_IMAGE])
        with engine_here() as engine, project_in(folder / "project" / "engine-kills", engine) as made:
            project = _OwnProject(made.root, engine)
            project.own_environ = own.environ
            began = time.monotonic()
            output_of(project.start("-v"))
            duration_seconds = time.monotonic() - began
            yield lambda trial: _killed(project, own, trial, duration_seconds)
    finally:
        own.stop()


def _killed(project: Project, own: PrivateEngine, trial: Trial, duration_seconds: float) -> Finding:
    chance = trial.random
    while True:
        process: subprocess.Popen[str] = project.start("-v")
        time.sleep(chance.uniform(0, duration_seconds))
        if process.poll() is None:
            break
        output_of(process)
    own.kill()
    began = time.monotonic()
    output = output_of(process)
    seconds = time.monotonic() - began
    problems = []
    if output is None:
        problems.append("it hangs")
    elif process.returncode not in (1, 6, 7, 9) or "Traceback" in output:
        problems.append(f"exit code {process.returncode}: {output[-3000:]}")
    own.revive()
    clear(project)
    problems += [f"left after the clean-up: {each}" for each in own.objects_of(project.root.name)]
    kind = "before the tests" if output is None or "test_quick" not in output else "from the tests on"
    late = (f"its verdict took {seconds:.1f} s",) if seconds > _VERDICT_SECONDS else ()
    return Finding(
        kind=kind, problems=tuple(problems), late=late, figures={"seconds_to_the_verdict": seconds}
    )


ENGINE_KILLS = Family(
    name="engine-kills",
    promise="the engine is killed: a verdict within 3 s, never green; nothing left once it is back",
    trials=40,
    small=1,
    opened=_opened,
)
