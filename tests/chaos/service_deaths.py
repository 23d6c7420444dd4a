"""A service that was ready dies while a test runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from chaos.place import clear, engine_here, left_of, output_of, project_in
from chaos.trial import Family, Finding, Trial
from pytest_dockerci.engine.client import Engine
from whole_run.project import Outcome, Project

_SECONDS = 1.0
_SUITE = """\
import time
def test_before(): pass
def test_runs():
    print("it runs", flush=True)
    time.sleep(60)
def test_after(): pass
"""


@contextmanager
def _opened(folder: Path) -> Iterator[Callable[[Trial], Finding]]:
    with engine_here() as engine, project_in(folder / "deaths", engine, _SUITE) as project:
        yield lambda trial: _bereaved(project, engine, trial)


def _bereaved(project: Project, engine: Engine, trial: Trial) -> Finding:
    process = project.start("-v", "-s")
    assert process.stdout is not None
    said = [_up_to(process.stdout, "it runs")]
    time.sleep(trial.random.uniform(0, 2))
    names = {"name": f"dockerci-{project.root.name}-.*-db"}
    ids = [data["Id"] for data in engine.client.api.containers(filters=names)]
    for container_id in ids:
        engine.client.api.kill(container_id)
    began = time.monotonic()
    said.append(_up_to(process.stdout, "FAILED"))
    seconds = time.monotonic() - began
    rest = output_of(process)
    problems = [f"left: {each}" for each in left_of(project)]
    if rest is None:
        problems.append("it hangs")
    else:
        problems += _wrong(Outcome(process.returncode, "".join([*said, rest])))
    if problems:
        clear(project)
    late = (f"told after {seconds:.2f} s",) if seconds > _SECONDS else ()
    figures = {"seconds_until_the_test_fails": seconds}
    return Finding(kind="killed", problems=tuple(problems), late=late, figures=figures)


def _up_to(lines: Iterator[str], mark: str) -> str:
    said = []
    for line in lines:
        said.append(line)
        if mark in line:
            break
    return "".join(said)


def _wrong(outcome: Outcome) -> Iterator[str]:
    if outcome.exit_code != 7 or outcome.counts() != {"passed": 1, "failed": 1, "error": 1}:
        yield f"exit code {outcome.exit_code}: {outcome.output[-3000:]}"
    if 'service "db" was lost while tests ran: ended with exit code 137' not in outcome.output:
        yield f"the cause is not told: {outcome.output[-3000:]}"


SERVICE_DEATHS = Family(
    name="service-deaths",
    promise="a service is killed while a test runs: that test fails with the cause within a second, no other is run",
    trials=40,
    small=1,
    opened=_opened,
)
