"""Ten thousand tests that do nothing, through one container and by hand inside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


def ours(project: Path, tests: int) -> float:
    """Seconds for a suite of so many tests through one container."""
    return seconds_of((*PYTEST, "-o", f"dockerci_env=TESTS={tests}"), project)


def by_hand(project: Path, tests: int, *options: str) -> float:
    """Seconds for the same suite in a container of the same image, without us."""
    run = ("docker", "run", "--rm", "--env", f"TESTS={tests}", "dockerci-benchmark-many")
    pytest = ("python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "dockerci_service=")
    return seconds_of((*run, *pytest, *options), project)


def prepare(folder: Path) -> Sequence[Subject]:
    """The same suite in one container each way; the difference of two sizes leaves the fixed costs out."""
    project = write(folder / "project", FILES)
    seconds_of(("docker", "compose", "build", "--quiet"), project)

    def difference(seconds_for: Callable[..., float], *options: str) -> float:
        return seconds_for(project, LARGE, *options) - seconds_for(project, SMALL, *options)

    return [
        Subject(name="pytest-dockerci", measure=lambda: difference(ours)),
        Subject(name="pytest by hand", measure=lambda: difference(by_hand)),
        Subject(name="pytest-xdist -n 1", measure=lambda: difference(by_hand, "-n1")),
    ]


BENCHMARK = Benchmark(
    name="many",
    title="10,000 tests that do nothing",
    limit=1.05,
    goal=1.0,
    rounds=3,
    prepare=prepare,
)
