"""What one more test costs in a large suite, against a small one: through a container, and plain pytest's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.commands import seconds_of, write
from benchmarks.many_tests import FILES, by_hand, ours
from benchmarks.paired import Benchmark, Subject

SIZES = (1_000, 10_000, 100_000)


def prepare(folder: Path) -> Sequence[Subject]:
    """How much more a test takes from 10,000 to 100,000 than from 1,000 to 10,000; the start does not count."""
    project = write(folder / "project", FILES)
    seconds_of(("docker", "compose", "build", "--quiet"), project)

    def growth(seconds_for: Callable[[Path, int], float]) -> float:
        small, medium, large = SIZES
        seconds = {tests: seconds_for(project, tests) for tests in SIZES}
        first = (seconds[medium] - seconds[small]) / (medium - small)
        return (seconds[large] - seconds[medium]) / (large - medium) / first

    return [
        Subject(name="pytest-dockerci", measure=lambda: growth(ours)),
        Subject(name="pytest by hand", measure=lambda: growth(by_hand)),
    ]


BENCHMARK = Benchmark(
    name="growth",
    title="one more test in a suite of 100,000, against one in 10,000",
    unit="times",
    limit=1.1,
    rounds=2,
    prepare=prepare,
)
