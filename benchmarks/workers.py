"""A suite that keeps the processor busy, in one container and in as many as there are processors."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from benchmarks.commands import PYTEST, PYTHON_IMAGE, seconds_of, write
from benchmarks.paired import Benchmark, Subject

PROCESSORS = os.cpu_count() or 1
FILES = {
    "compose.yaml": "services: {web: {build: .}}\n",
    "Dockerfile": f"FROM {PYTHON_IMAGE}\nWORKDIR /srv/app\n",
    "pytest.ini": "[pytest]\ndockerci_service = web\ntestpaths = tests\n",
}
SUITE = """\
import time
import pytest

@pytest.mark.parametrize("n", range({tests}))
def test_busy(n):
    end = time.thread_time() + 0.05
    while time.thread_time() < end: pass
"""


def prepare(folder: Path) -> Sequence[Subject]:
    """200 tests of 50 ms of processor time, less a suite of 20, so that the start does not count."""
    large = write(folder / "large", {**FILES, "tests/test_busy.py": SUITE.format(tests=220)})
    small = write(folder / "small", {**FILES, "tests/test_busy.py": SUITE.format(tests=20)})

    def seconds(workers: int) -> float:
        command = (*PYTEST, f"--dockerci-workers={workers}")
        return seconds_of(command, large) - seconds_of(command, small)

    return [
        Subject(name=f"{PROCESSORS} workers", measure=lambda: seconds(PROCESSORS)),
        Subject(name="1 worker", measure=lambda: seconds(1)),
    ]


BENCHMARK = Benchmark(
    name="workers",
    title=f"200 tests of 50 ms, {PROCESSORS} workers against one",
    limit=1 / (0.9 * PROCESSORS),
    rounds=3,
    prepare=prepare,
)
