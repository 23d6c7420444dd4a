"""A stack that is kept, and a test that was edited: from Enter to the prompt."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cold_run import IN_THE_IMAGE, make_ours, prepare_others
from benchmarks.commands import PYTEST, seconds_of
from benchmarks.paired import Benchmark, Subject


def prepare(folder: Path) -> Sequence[Subject]:
    """The others start from nothing each time: they have nothing else."""
    ours = make_ours(folder)
    numbers = itertools.count()

    def measure() -> float:
        edited = f"{IN_THE_IMAGE}\ndef test_edited(): assert {next(numbers)} >= 0\n"
        (ours / "tests" / "test_in_image.py").write_text(edited, encoding="utf-8")
        return seconds_of((*PYTEST, "-p", "no:docker", "--dockerci-keep"), ours)

    return [Subject(name="pytest-dockerci", measure=measure), *prepare_others(folder)]


def finish(folder: Path) -> None:
    """End the stack."""
    seconds_of((sys.executable, "-m", "pytest_dockerci.cli", "down"), folder / "ours")


BENCHMARK = Benchmark(
    name="warm",
    title="warm run (--dockerci-keep), a test edited",
    limit=0.10,
    most=0.7,
    prepare=prepare,
    finish=finish,
)
