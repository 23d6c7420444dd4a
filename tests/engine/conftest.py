"""Small projects on a real engine, and the proof that nothing of them is left."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_dockerci.engine.labels import RunIdentity

from .engine_project import PYTHON_IMAGE, Project, census_of

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine


@pytest.fixture
def project(engine: Engine, tmp_path: Path) -> Iterator[Project]:
    """An empty project; after the test, nothing of its runs may be left on the engine."""
    root = tmp_path / f"p{uuid.uuid4().hex[:8]}"
    state = tmp_path / "state"
    root.mkdir()
    state.mkdir()
    threads_before = set(threading.enumerate())
    project = Project(engine, root, state)
    try:
        yield project
    finally:
        left = project.close()
    assert left == ()
    for environment in project.environments:
        objects = census_of(engine, environment)
        assert objects == set()
    late = [thread for thread in threading.enumerate() if thread not in threads_before]
    for thread in late:
        thread.join(5)
    assert [thread.name for thread in late if thread.is_alive() and thread.name.startswith("dockerci")] == []


@pytest.fixture
def identity() -> RunIdentity:
    """A run of its own."""
    return RunIdentity(run_id=uuid.uuid4().hex[:8], nonce=uuid.uuid4().hex, folder="shop")


@pytest.fixture
def web(project: Project) -> Project:
    """A project with one service, `web`, built from the Python image; its suite is `tests`."""
    project.write("compose.yaml", "services: {web: {build: .}}\n")
    project.write("Dockerfile", f'FROM {PYTHON_IMAGE}\nWORKDIR /app\nCMD ["python3", "-m", "http.server"]\n')
    project.write("tests/test_one.py", "def test_one(): pass\n")
    return project
