"""Runs in a row, in one process: what that process and the engine hold does not grow."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chaos.flatness import growth_per_run
from chaos.place import engine_here, left_of, project_in
from chaos.trial import Family, Finding, Trial
from pytest_dockerci.engine.client import Engine
from whole_run.project import Project

_RUNS = 500
SUITE_OF_RUNS = 'import os\ndef test_passes(): pass\ndef test_prints(): os.write(1, b"printed\\n")\n'
# In what is counted one by one, one in fifty runs is a leak. Of memory, what pytest itself adds in a process is
# taken off: it is measured in the same way, with the same suite and without the plugin.
_COUNTED = (
    "file descriptors",
    "threads",
    "child processes",
    "temporary files",
    "cache files",
    "engine objects",
    "images",
)
_MOST_PER_RUN = 1 / 50
_MOST_KIB_PER_RUN = 20.0
# The allocator's own steps are as large as that in a shorter series.
_RUNS_FOR_MEMORY = 40


@contextmanager
def _opened(folder: Path) -> Iterator[Callable[[Trial], Finding]]:
    with engine_here() as engine, project_in(folder / "runs", engine, SUITE_OF_RUNS) as project:
        yield lambda _trial: in_a_row(project, engine, _RUNS)


def in_a_row(project: Project, engine: Engine, count: int) -> Finding:
    """So many runs, and as many without the plugin for comparison."""
    series: dict[str, list[float]] = {}
    problems = []
    for line in _lines(project, count, {}):
        if line["status"] != 0:
            problems.append(f"exit code {line['status']}: {line['output']}")
        held = {**line["held"], **_on_engine(project, engine)}
        for name, value in held.items():
            series.setdefault(name, []).append(value)
    problems += [f"left: {each}" for each in left_of(project)]
    plain = [
        line["held"]["memory in KiB"] for line in _lines(project, count, {"PYTEST_ADDOPTS": "--no-dockerci"})
    ]
    problems += grown(series, plain)
    growth = growth_per_run(series["memory in KiB"]) - growth_per_run(plain)
    figures = {
        "KiB_more_per_run_than_pytest_alone": growth,
        "MiB_at_the_end": series["memory in KiB"][-1] / 1024,
    }
    figures["file_descriptors_at_the_end"] = series["file descriptors"][-1]
    figures["threads_at_the_end"] = series["threads"][-1]
    return Finding(kind=f"{count} in one process", problems=tuple(problems), figures=figures, cases=count)


def grown(series: dict[str, list[float]], plain_kib: list[float]) -> Iterator[str]:
    """What grows with the number of runs.

    Args:
        series: For each quantity its values after each run.
        plain_kib: The memory of a process whose runs do not use the plugin.
    """
    for name in _COUNTED:
        growth = growth_per_run(series[name])
        if growth >= _MOST_PER_RUN:
            yield f"{name}: {growth:.3f} more with each run, from {series[name][0]:.0f} to {series[name][-1]:.0f}"
    growth = growth_per_run(series["memory in KiB"]) - growth_per_run(plain_kib)
    if growth >= _MOST_KIB_PER_RUN and len(plain_kib) >= _RUNS_FOR_MEMORY:
        yield f"memory: {growth:.0f} KiB more with each run than pytest alone"


def _lines(project: Project, count: int, environ: dict[str, str]) -> Iterator[dict[str, Any]]:
    tests = str(Path(__file__).parents[1])
    with tempfile.TemporaryDirectory(prefix="dockerci-runs-") as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "chaos.runs_in_a_row", str(count)],
            cwd=project.root,
            env={**project.environ, "PYTHONPATH": tests, "TMPDIR": folder, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line.startswith("{"):  # not what tests print past pytest's capture
                    yield json.loads(line)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def _on_engine(project: Project, engine: Engine) -> dict[str, float]:
    images = engine.client.api.images(filters={"reference": f"{project.root.name}-web"})
    return {"engine objects": len(left_of(project)), "images": len(images)}


RUNS = Family(
    name="runs",
    promise="runs in a row in one process: descriptors, threads, memory, files, engine objects stay the same",
    trials=1,
    small=0,
    opened=_opened,
)
