"""Ten thousand tests that do nothing, through one container and by hand inside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.commands import PYTEST, PYTHON_IMAGE, seconds_of, write
from benchmarks.paired import Benchmark, Subject

SMALL, LARGE = 1_000, 11_000
FILES = {
    "compose.yaml": "services: {web: {build: ., image: dockerci-benchmark-many}}\n",
    "Dockerfile": f"""\
FROM {PYTHON_IMAGE}
RUN python3 -m pip install --quiet --break-system-packages pytest pytest-xdist
WORKDIR /srv/app
COPY . .
""",
    "pytest.ini": "[pytest]\ndockerci_service = web\ntestpaths = tests\n",
    "tests/test_many.py": """\
import os
import pytest

@pytest.mark.parametrize("n", range(int(os.environ["TESTS"])))
def test_nothing(n): pass
""",
}


def prepare(folder: Path) -> Sequence[Subject]:
    """The same suite in one container each way; the difference of two sizes leaves the fixed costs out."""
    project = write(folder / "project", FILES)
    seconds_of(("docker", "compose", "build", "--quiet"), project)

    def ours(tests: int) -> float:
        return seconds_of((*PYTEST, "-o", f"dockerci_env=TESTS={tests}"), project)

    def by_hand(tests: int, *options: str) -> float:
        inside = (
            "python3",
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-o",
            "dockerci_service=",
            *options,
        )
        run = ("docker", "run", "--rm", "--env", f"TESTS={tests}", "dockerci-benchmark-many")
        return seconds_of((*run, *inside), project)

    return [
        Subject(name="pytest-dockerci", measure=lambda: ours(LARGE) - ours(SMALL)),
        Subject(name="pytest by hand", measure=lambda: by_hand(LARGE) - by_hand(SMALL)),
        Subject(name="pytest-xdist -n 1", measure=lambda: by_hand(LARGE, "-n1") - by_hand(SMALL, "-n1")),
    ]


BENCHMARK = Benchmark(
    name="many",
    title="10,000 tests that do nothing",
    limit=1.05,
    goal=1.0,
    rounds=3,
    prepare=prepare,
)
