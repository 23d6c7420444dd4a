"""One test that prints a gibibyte, against the same bytes through the bare channel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.commands import PYTEST, PYTHON_IMAGE, seconds_of, write
from benchmarks.paired import Benchmark, Subject

FILES = {
    "compose.yaml": "services: {web: {build: .}}\n",
    "Dockerfile": f"FROM {PYTHON_IMAGE}\nWORKDIR /srv/app\n",
    "pytest.ini": "[pytest]\ndockerci_service = web\ntestpaths = tests\n",
    "tests/test_output.py": """\
import os

def test_output():
    line = "x" * 127
    for _ in range(int(os.environ["LINES"])): print(line)
""",
}
LINES = 8 << 20
RAW = f"import sys\nfor _ in range({LINES}): sys.stdout.write('x' * 127 + chr(10))"


def prepare(folder: Path) -> Sequence[Subject]:
    """Shown as it comes (-s), less a run that prints one line."""
    project = write(folder / "project", FILES)

    def ours(lines: int) -> float:
        return seconds_of((*PYTEST, "-s", "-o", f"dockerci_env=LINES={lines}"), project)

    def raw() -> float:
        return seconds_of(("docker", "run", "--rm", PYTHON_IMAGE, "python3", "-c", RAW), project)

    return [
        Subject(name="pytest-dockerci", measure=lambda: ours(LINES) - ours(1)),
        Subject(name="docker run", measure=raw),
    ]


BENCHMARK = Benchmark(name="output", title="one test that prints 1 GiB", limit=2.0, rounds=1, prepare=prepare)
