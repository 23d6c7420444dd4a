"""When each phase of a run began and ended: for the line at its end, and for ``phases.json``. Pure."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

SCHEMA_VERSION = 1
# What a phase is made of is named after it: "containers/suite" is a part of "containers".
PART = "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One stretch of time; a phase may come several times, and others may run beside it.

    Attributes:
        name: For instance ``build``; a part of another is named after it, ``containers/suite``.
        start_seconds: Since the run began.
        end_seconds: Since the run began; None while it goes on.
    """

    name: str
    start_seconds: float
    end_seconds: float | None


class PhaseLog:
    """Keeps the phases of one run, in the order in which they began. May be used from any thread.

    Args:
        clock: Monotonic, in seconds.
        wall_clock: Seconds since 1970.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self._clock = clock
        self._began = clock()
        self._began_at = wall_clock()
        self._lock = threading.Lock()
        self._phases: list[Phase] = []

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Measure a phase while the context lasts."""
        with self._lock:
            number = len(self._phases)
            began = Phase(name=name, start_seconds=self._clock() - self._began, end_seconds=None)
            self._phases.append(began)
        try:
            yield
        finally:
            with self._lock:
                self._phases[number] = Phase(
                    name=name, start_seconds=began.start_seconds, end_seconds=self._clock() - self._began
                )

    @property
    def phases(self) -> tuple[Phase, ...]:
        """All that have begun."""
        with self._lock:
            return tuple(self._phases)

    @property
    def running(self) -> frozenset[str]:
        """Names of those that go on."""
        return frozenset(phase.name for phase in self.phases if phase.end_seconds is None)

    def totals(self) -> dict[str, float]:
        """Seconds by name, without the parts of others; one that came several times is added up."""
        totals: dict[str, float] = {}
        now = self._clock() - self._began
        for phase in self.phases:
            if PART not in phase.name:
                end = now if phase.end_seconds is None else phase.end_seconds
                totals[phase.name] = totals.get(phase.name, 0.0) + end - phase.start_seconds
        return totals

    def document(self, run_id: str) -> dict[str, Any]:
        """What ``phases.json`` says, of what has ended by now; docs/reference/report.md has the schema.

        Args:
            run_id: The run.
        """
        rows = [
            {
                "name": phase.name,
                "start_seconds": round(phase.start_seconds, 6),
                "end_seconds": round(phase.end_seconds, 6),
                "seconds": round(phase.end_seconds - phase.start_seconds, 6),
            }
            for phase in self.phases
            if phase.end_seconds is not None
        ]
        return {
            "version": SCHEMA_VERSION,
            "run": run_id,
            "started_at": round(self._began_at, 3),
            "seconds": round(self._clock() - self._began, 6),
            "phases": rows,
        }
