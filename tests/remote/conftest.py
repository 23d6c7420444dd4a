from __future__ import annotations

import os
from collections.abc import Iterator
from uuid import uuid4

import pytest

from pytest_dockerci.engine.client import Engine, connect_engine
from remote.machine import PYTHON_IMAGE, Machine
from whole_run.project import Project

REDIS_IMAGE = os.environ.get("REDIS_IMAGE", "redis:7")


@pytest.fixture(scope="session")
def machine(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Another machine with an engine. This one's engine is only what it runs on."""
    machine = Machine(tmp_path_factory.mktemp("machine"))
    yield machine
    machine.stop()


@pytest.fixture(scope="session")
def remote_engine(machine: Machine) -> Iterator[Engine]:
    """Its engine, to look at."""
    connected = connect_engine({**os.environ, **machine.by_tls})
    yield connected
    connected.client.close()


@pytest.fixture(params=["ssh", pytest.param("tls", marks=pytest.mark.soak)])
def by(request: pytest.FixtureRequest, machine: Machine) -> dict[str, str]:
    """The variables that name it, by either transport."""
    variables: dict[str, str] = machine.by_tls if request.param == "tls" else machine.by_ssh
    return variables


@pytest.fixture
def project(
    machine: Machine, remote_engine: Engine, engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """A project for the other machine's engine; nothing of it may be left there, and nothing comes to this one's."""
    machine.load(PYTHON_IMAGE)
    root = tmp_path_factory.mktemp("far") / f"far-{uuid4().hex[:6]}"
    root.mkdir()
    project = Project(root, remote_engine)
    project.write_base(PYTHON_IMAGE)
    yield project
    assert project.left_on_engine() == []
    project.remove_images()
    here = Project(root, engine)
    assert here.left_on_engine() == []
    assert engine.client.api.images(filters={"reference": f"{root.name}-web"}) == []
