"""A project that has the plugin installed and does not use it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.commands import PYTEST, seconds_of, write
from benchmarks.paired import Benchmark, Subject

RUNS = 5


def prepare(folder: Path) -> Sequence[Subject]:
    """One test, with and without the plugin; several runs count as one, as one is short."""
    project = write(folder / "project", {"pytest.ini": "[pytest]\n", "test_one.py": "def test_one(): pass\n"})

    def run(*options: str) -> float:
        return sum(seconds_of((*PYTEST, *options), project) for _ in range(RUNS)) / RUNS

    return [
        Subject(name="installed", measure=run),
        Subject(name="without it", measure=lambda: run("-p", "no:dockerci")),
    ]


BENCHMARK = Benchmark(
    name="unused",
    title="pytest in a project that does not use the plugin",
    limit=1.02,
    rounds=9,
    prepare=prepare,
)
