"""Whether a quantity grows with the number of runs. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

# Runs that fill what is filled once: imported modules, caches, the allocator's arenas.
WARM_UP_RUNS = 10


def growth_per_run(values: Sequence[float]) -> float:
    """How much one run adds, from the medians of the first and the second half of what came after the warm-up.

    Medians, because a value may be off for a moment (a thread that is about to end): what leaks stays.

    Args:
        values: One after each run; more than `WARM_UP_RUNS` of them, by at least 4.
    """
    steady = values[WARM_UP_RUNS:]
    half = len(steady) // 2
    return (median(steady[-half:]) - median(steady[:half])) / (len(steady) - half)
