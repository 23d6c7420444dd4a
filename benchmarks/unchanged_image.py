"""The image is built, and nothing has changed: finding that out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.cold_run import DOCKERFILE
from benchmarks.commands import phase_seconds, seconds_of, write
from benchmarks.paired import Benchmark, Subject

FILES = {
    "compose.yaml": "services: {web: {build: .}}\n",
    "Dockerfile": DOCKERFILE,
    "pytest.ini": "[pytest]\ndockerci_service = web\ntestpaths = tests\n",
    ".dockerignore": "report\n",
    "tests/test_one.py": "def test_one(): pass\n",
}


def prepare(folder: Path) -> Sequence[Subject]:
    """The phase of a run, and the builder by itself."""
    project = write(folder / "project", FILES)
    build = ("docker", "buildx", "build", "--load", "--quiet", ".")
    return [
        Subject(name="pytest-dockerci", measure=lambda: phase_seconds(project, "build")),
        Subject(name="docker buildx build", measure=lambda: seconds_of(build, project)),
    ]


BENCHMARK = Benchmark(
    name="unchanged", title="unchanged image: nothing is to be built", limit=1.2, prepare=prepare
)
