"""Forty secrets, and everything that there is to look at while runs go on and after them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from chaos.place import clear, engine_here, left_of, output_of, project_in
from chaos.trial import Family, Finding, Trial
from registry_process import running_registry
from whole_run.canaries import CANARIES, LOUD_SUITE, QUIET_SUITE, shown, write_canaries
from whole_run.project import Outcome, Project

_KINDS = ("shown and recorded by tests", "by workers of pytest-xdist", "in what is pushed")


@contextmanager
def _opened(folder: Path) -> Iterator[Callable[[Trial], Finding]]:
    with (
        engine_here() as engine,
        project_in(folder / "canaries", engine, "") as project,
        running_registry(folder / "registry") as address,
    ):
        yield lambda trial: _looked_for(project, folder, address, trial)


def _looked_for(project: Project, folder: Path, address: str, trial: Trial) -> Finding:
    kind = _KINDS[trial.number % len(_KINDS)]
    is_pushed = kind == _KINDS[2]
    write_canaries(project, QUIET_SUITE if is_pushed else LOUD_SUITE)
    project.addopts = "" if is_pushed else "-rA -l -p no:hypothesispytest"
    more = {
        _KINDS[0]: ["--junitxml=report.xml"],
        _KINDS[1]: ["-n2"],
        _KINDS[2]: [f"--dockerci-push={address}/web"],
    }
    report = folder / f"report-{trial.number}"
    environ = {**CANARIES, "GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(folder / "page.md")}
    process = project.start(f"--dockerci-report={report}", *more[kind], **environ)
    output = output_of(process)
    problems = [f"left: {each}" for each in left_of(project)]
    if output is None:
        problems.append("it hangs")
    else:
        outcome = Outcome(process.returncode, output)
        places = shown(outcome, project.root, project.root.parent / "cache", folder)
        problems += [f"one is seen in {place}" for place in places]
        if outcome.exit_code != (0 if is_pushed else 1) or outcome.counts().get("passed") != 42:
            problems.append(f"exit code {outcome.exit_code}: {output[-3000:]}")
    if problems:
        clear(project)
    return Finding(kind=kind, problems=tuple(problems), cases=len(CANARIES))


CANARIES_FAMILY = Family(
    name="canaries",
    promise="forty secrets that tests have, print, raise and record: in no output, file, command line, label, "
    "log, history, report, evidence, registry",
    trials=3,
    small=0,
    opened=_opened,
)
