"""What a trial is, and what comes of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One of a family.

    Attributes:
        family: The family's name.
        seed: Of the whole series.
        number: Position in the family.
    """

    family: str
    seed: int
    number: int

    @property
    def random(self) -> random.Random:
        """Chance that is the same each time for the same trial."""
        return random.Random(f"{self.family} {self.seed} {self.number}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a trial showed.

    Attributes:
        kind: Which sort of fault it was.
        problems: What was not as promised; empty for a good trial.
        late: What took longer than promised; a machine that is busy with other things says little about that.
        figures: Measured values by name; the name carries the unit.
        cases: How many faults it tried.
    """

    kind: str
    problems: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    figures: dict[str, float] = field(default_factory=dict)
    cases: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Trials of one promise.

    Attributes:
        name: On the command line.
        promise: What a row of the table says.
        trials: How many are the full size.
        small: How many a test run has.
        opened: Prepares a folder for trials; gives the function that makes one.
    """

    name: str
    promise: str
    trials: int
    small: int
    opened: Callable[[Path], AbstractContextManager[Callable[[Trial], Finding]]]
