"""What one more test costs in a large suite, against a small one: time has to be linear."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.commands import PYTEST, seconds_of, write
from benchmarks.many_tests import FILES
from benchmarks.paired import Benchmark, Subject

SIZES = (1_000, 10_000, 100_000)


def prepare(folder: Path) -> Sequence[Subject]:
    """Microseconds for each test between two sizes, so that the start does not count."""
    project = write(folder / "project", FILES)

    def microseconds(small: int, large: int) -> float:
        seconds = {
            tests: seconds_of((*PYTEST, "-o", f"dockerci_env=TESTS={tests}"), project)
            for tests in (small, large)
        }
        return (seconds[large] - seconds[small]) / (large - small) * 1e6

    small, medium, large = SIZES
    return [
        Subject(name=f"{medium:,} to {large:,} tests", measure=lambda: microseconds(medium, large)),
        Subject(name=f"{small:,} to {medium:,} tests", measure=lambda: microseconds(small, medium)),
    ]


BENCHMARK = Benchmark(
    name="growth", title="one more test in a large suite", unit="µs", limit=1.1, rounds=3, prepare=prepare
)
