from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from pytest_dockerci.engine.client import Engine
from whole_run.project import Project


@pytest.fixture(scope="session")
def python_image() -> str:
    """The base image of the images that these tests build."""
    return os.environ.get("PYTHON_IMAGE", "python:3.13-slim")


@pytest.fixture
def project(
    engine: Engine, python_image: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Project]:
    """A project with an image, one settings file and no service; nothing of it may be left on the engine."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[-13:].strip("-") + f"-{uuid4().hex[:4]}"
    root = tmp_path / name
    root.mkdir()
    project = Project(root, engine)
    project.write_base(python_image)
    yield project
    assert project.left_on_engine() == []
    project.remove_images()
