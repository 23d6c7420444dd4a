"""One test that prints 1 GiB: what that adds to the memory of either side's largest process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.commands import PYTEST, peak_and_output_of, write
from benchmarks.huge_output import FILES, LINES
from benchmarks.paired import Benchmark, Subject

# The test is the last to print; every process of the agent has had its peak by then.
SUITE = f"""{FILES["tests/test_output.py"]}
    peaks = []
    for status in pathlib.Path("/proc").glob("[0-9]*/status"):
        peaks += [int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")]
    print("largest process in the container:", max(peaks) >> 10)
""".replace("import os", "import os, pathlib")


def prepare(folder: Path) -> Sequence[Subject]:
    """Shown as it comes (-s), less a run that prints one line."""
    project = write(folder / "project", {**FILES, "tests/test_output.py": SUITE})

    def peaks(lines: int) -> tuple[float, float]:
        host, output = peak_and_output_of((*PYTEST, "-s", "-o", f"dockerci_env=LINES={lines}"), project)
        return host, float(output.partition("largest process in the container: ")[2].split()[0])

    def growth() -> float:
        (host, agent), (small_host, small_agent) = peaks(LINES), peaks(1)
        return max(host - small_host, agent - small_agent)

    return [Subject(name="pytest-dockerci, host or agent", measure=growth)]


BENCHMARK = Benchmark(
    name="output-memory",
    title="one test that prints 1 GiB: memory added",
    unit="MiB",
    limit=None,
    most=64,
    rounds=1,
    prepare=prepare,
)
