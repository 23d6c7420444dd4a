"""A hundred thousand tests: what the host's pytest needs, against plain pytest on the same suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.commands import PYTEST, peak_and_output_of, write
from benchmarks.many_tests import FILES
from benchmarks.paired import Benchmark, Subject

TESTS = 100_000


def prepare(folder: Path) -> Sequence[Subject]:
    """In one container, and by hand on the host."""
    project = write(folder / "project", FILES)

    def peak(argv: Sequence[str], environ: Mapping[str, str] | None = None) -> float:
        mebibytes, output = peak_and_output_of(argv, project, environ)
        if f"{TESTS} passed" not in output:
            raise RuntimeError(f"tests are lost: {output}")
        return mebibytes

    by_hand = (*PYTEST, "-p", "no:dockerci", "-p", "no:docker", "-o", "dockerci_service=", "--noconftest")
    return [
        Subject(
            name="pytest-dockerci",
            measure=lambda: peak((*PYTEST, "-o", f"dockerci_env=TESTS={TESTS}")),
        ),
        Subject(
            name="pytest by hand",
            measure=lambda: peak(by_hand, {"TESTS": str(TESTS)}),
        ),
    ]


BENCHMARK = Benchmark(
    name="memory",
    title="100,000 tests: peak memory of the host's process",
    unit="MiB",
    limit=0.9,
    rounds=1,
    prepare=prepare,
)
