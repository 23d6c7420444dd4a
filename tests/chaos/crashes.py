"""Tests crash, ten in a run, between tests that do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from chaos.place import clear, engine_here, left_of, output_of, project_in
from chaos.trial import Family, Finding, Trial
from whole_run.project import Outcome, Project
from whole_run.test_crashes import CRASHES, IMPORTS

_KINDS = (
    "segfault",
    "abort",
    "exit_0",
    "exit_3",
    "killed",
    "group",
    "all",
    "memory",
    "closed",
    "alarm",
)


@contextmanager
def _opened(folder: Path) -> Iterator[Callable[[Trial], Finding]]:
    with engine_here() as engine, project_in(folder / "crashes", engine) as project:
        compose = (project.root / "compose.yaml").read_text()
        limits = "    mem_limit: 400m\n    memswap_limit: 400m\n"
        project.write(compose_yaml=compose.replace("    depends_on:", limits + "    depends_on:"))
        yield lambda trial: _crashed(project, trial)


def _crashed(project: Project, trial: Trial) -> Finding:
    chance = trial.random
    crashes = [each for each in CRASHES if each[0] in _KINDS]
    chance.shuffle(crashes)
    expected: dict[str, str] = {}
    lines = [IMPORTS]
    for name, action, _ in crashes:
        for number in range(chance.randrange(4)):
            lines.append(f"def test_before_{name}_{number}(): pass\n")
            expected[f"tests/test_suite.py::test_before_{name}_{number}"] = "PASSED"
        lines.append(f"def test_{name}(): {action}\n")
        expected[f"tests/test_suite.py::test_{name}"] = "FAILED"
    project.write(tests__test_suite_py="".join([*lines, "def test_last(): pass\n"]))
    expected["tests/test_suite.py::test_last"] = "PASSED"
    workers = chance.choice((1, 1, 2))
    process = project.start("-v", "-o", f"dockerci_workers={workers}")
    output = output_of(process)
    problems = [f"left: {each}" for each in left_of(project)]
    if output is None:
        problems.append("it hangs")
    else:
        problems += _wrong(Outcome(process.returncode, output), expected, crashes)
    if problems:
        clear(project)
    return Finding(kind=f"{workers} workers", problems=tuple(problems), cases=len(crashes))


def _wrong(outcome: Outcome, expected: dict[str, str], crashes: list[tuple[str, str, str]]) -> Iterator[str]:
    verdicts = outcome.verdicts()
    for node_id in sorted({*expected, *verdicts}):
        if verdicts.get(node_id) != expected.get(node_id):
            yield f"{node_id}: {verdicts.get(node_id)}, not {expected.get(node_id)}"
    for name, _, cause in crashes:
        section = outcome.output.partition(f"_ test_{name} _")[2].partition("\n____")[0]
        if cause not in section:
            yield f"test_{name}: its cause is not told: {section[:500]}"
    if outcome.exit_code != 1:
        yield f"exit code {outcome.exit_code}: {outcome.output[-1500:]}"


CRASHES_FAMILY = Family(
    name="crashes",
    promise="crashes of ten kinds: each blamed on the right test with its cause, all others keep their verdict",
    trials=20,
    small=1,
    opened=_opened,
)
