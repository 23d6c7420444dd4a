"""An IDE lists the tests, which it has listed before: nothing is started."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.commands import PYTEST, seconds_of, write
from benchmarks.paired import Benchmark, Subject
from benchmarks.unchanged_image import FILES

# All that an IDE's adapter has to be for our sake: a plugin of its name.
ADAPTER = {"adapter/vscode_pytest.py": ""}


def prepare(folder: Path) -> Sequence[Subject]:
    """The suite as the last run has collected it, and plain pytest's listing of the same files."""
    project = write(folder / "project", {**FILES, **ADAPTER})
    seconds_of(PYTEST, project)
    environ = {"PYTHONPATH": str(project / "adapter"), "TEST_RUN_PIPE": "none"}
    listing = (*PYTEST, "--collect-only", "-p", "vscode_pytest")
    by_hand = (*PYTEST, "--collect-only", "-p", "no:dockerci", "-o", "dockerci_service=")
    return [
        Subject(name="pytest-dockerci", measure=lambda: seconds_of(listing, project, environ)),
        Subject(name="pytest on the host", measure=lambda: seconds_of(by_hand, project)),
    ]


BENCHMARK = Benchmark(
    name="listing", title="listing for an IDE, from what was collected", limit=None, most=0.3, prepare=prepare
)
