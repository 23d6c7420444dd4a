"""As the cold run, with a database that starts from its seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.cold_run import COMPOSE, make_ours, prepare_others
from benchmarks.commands import PYTEST, seconds_of
from benchmarks.paired import Benchmark, Subject

SEEDED = COMPOSE.replace("  cache:\n", "    x-dockerci: {seed: true}\n  cache:\n")


def prepare(folder: Path) -> Sequence[Subject]:
    """Its first run, which makes the seed, is the one that does not count."""
    ours = make_ours(folder, SEEDED)
    return [
        Subject(name="pytest-dockerci", measure=lambda: seconds_of((*PYTEST, "-p", "no:docker"), ours)),
        *prepare_others(folder),
    ]


BENCHMARK = Benchmark(
    name="seeded", title="cold run, 3 tests, PostgreSQL from its seed and Redis", limit=0.20, prepare=prepare
)
