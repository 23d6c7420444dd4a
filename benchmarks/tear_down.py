"""The tests have ended: until nothing is left."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.cold_run import make_ours
from benchmarks.commands import phase_seconds, seconds_of
from benchmarks.paired import Benchmark, Subject

COMPOSE = ("docker", "compose", "--progress", "quiet", "--project-name", "benchmark-down")


def prepare(folder: Path) -> Sequence[Subject]:
    """The phase of a run, and Compose's own way to remove the same services."""
    ours = make_ours(folder)

    def down() -> float:
        seconds_of((*COMPOSE, "up", "--detach", "db", "cache"), ours)
        return seconds_of((*COMPOSE, "down", "--volumes", "--timeout", "0"), ours)

    return [
        Subject(
            name="pytest-dockerci", measure=lambda: phase_seconds(ours, "clean-up", less="clean-up/report")
        ),
        Subject(name="docker compose down", measure=down),
    ]


BENCHMARK = Benchmark(name="tear-down", title="tear-down", limit=None, most=0.5, prepare=prepare)
