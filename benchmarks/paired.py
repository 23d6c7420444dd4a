"""Runs subjects by turns and compares their medians."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One way to do the same work.

    Attributes:
        name: As the table shows it.
        measure: Does the work once; its cost (in the benchmark's unit).
    """

    name: str
    measure: Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """Something that a person waits for.

    Attributes:
        name: For the command line.
        title: For the table.
        unit: Of what the subjects return.
        limit: The ratio that ours must not exceed; None where the figure is only shown.
        goal: The ratio that we want.
        rounds: How often each subject runs by default.
        most: What ours must not exceed by itself, in the unit; None where only the ratio counts.
        prepare: Makes the subjects, ours first, in an empty folder; what they do there is not measured.
        finish: Takes away what they have left elsewhere.
    """

    name: str
    title: str
    unit: str = "s"
    limit: float | None
    goal: float | None = None
    rounds: int = 5
    most: float | None = None
    prepare: Callable[[Path], Sequence[Subject]]
    finish: Callable[[Path], object] = lambda _: None


@dataclass(slots=True)
class Result:
    """What came of a benchmark.

    Attributes:
        benchmark: Which one.
        costs: Subject to its costs, one for each round, ours first.
    """

    benchmark: Benchmark
    costs: dict[str, list[float]] = field(default_factory=dict)

    @property
    def medians(self) -> dict[str, float]:
        """Subject to its median."""
        return {name: statistics.median(costs) for name, costs in self.costs.items()}

    @property
    def ratio(self) -> float | None:
        """Ours to the best of the others, of medians; None where there is nothing to compare with."""
        ours, *others = self.medians.values()
        return ours / min(others) if others else None

    @property
    def is_kept(self) -> bool:
        """The limit is kept."""
        ours = next(iter(self.medians.values()))
        is_below = self.benchmark.most is None or ours <= self.benchmark.most
        return is_below and (
            self.benchmark.limit is None or self.ratio is None or self.ratio <= self.benchmark.limit
        )


def run(benchmark: Benchmark, folder: Path, rounds: int, tell: Callable[[str], None]) -> Result:
    """Run a benchmark's subjects by turns; the first turn warms up and does not count.

    Args:
        benchmark: What to run.
        folder: An empty folder.
        rounds: How many turns count.
        tell: Called with a line after each turn.
    """
    try:
        subjects = benchmark.prepare(folder)
        result = Result(benchmark, {subject.name: [] for subject in subjects})
        for turn in range(rounds + 1):
            costs = {subject.name: subject.measure() for subject in subjects}
            shown = ", ".join(f"{name} {cost:.2f} {benchmark.unit}" for name, cost in costs.items())
            tell(f"{benchmark.name} {turn or 'warm-up'}: {shown}")
            if turn:
                for name, cost in costs.items():
                    result.costs[name].append(cost)
    finally:
        benchmark.finish(folder)
    return result
