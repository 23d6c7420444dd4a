"""Where trials happen: a project with a service and a suite, and the things of others beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from pytest_dockerci.engine.client import Engine, connect_engine
from pytest_dockerci.engine.labels import NONCE, RUN
from whole_run.project import DOCKERFILE, PYTHON_IMAGE, SETTINGS, Project, processes_of

REAPER_IMAGE = os.environ.get("DOCKERCI_REAPER_IMAGE", "python:3.13-alpine")
HANGS_AFTER_SECONDS = 90.0
COMPOSE = f"""\
services:
  web:
    build:
      context: .
      args: {{PYTHON_IMAGE: "{PYTHON_IMAGE}"}}
    depends_on: [db]
  db:
    image: {PYTHON_IMAGE}
    command: [python3, -c, "import time; time.sleep(600)"]
    init: true
    volumes: [data:/data]
volumes:
  data:
"""
# Every kind of test that ends, and the last one fails: such a run is never green.
SUITE = """\
import time
import pytest
@pytest.mark.parametrize("n", range(8))
def test_quick(n): pass
def test_prints(): print("printed")
def test_skips(): pytest.skip("not today")
def test_takes_a_moment(): time.sleep(0.5)
def test_fails(): assert 1 == 2
"""


@contextmanager
def engine_here() -> Iterator[Engine]:
    """The engine that the environment names."""
    engine = connect_engine(os.environ)
    try:
        yield engine
    finally:
        engine.client.close()


@contextmanager
def project_in(folder: Path, engine: Engine, suite: str = SUITE) -> Iterator[Project]:
    """A project in a folder of about this name, which is part of all its objects' names; its images go at the end."""
    folder = folder.with_name(f"{folder.name}-{uuid4().hex[:4]}")  # shards may run at once
    folder.mkdir(parents=True)
    project = Project(folder, engine)
    project.write(
        compose_yaml=COMPOSE,
        Dockerfile=DOCKERFILE,
        pytest_ini=SETTINGS,
        app_py="ANSWER = 42\n",
        tests__test_suite_py=suite,
    )
    try:
        yield project
    finally:
        project.remove_images()


@contextmanager
def bystanders(engine: Engine, name: str) -> Iterator[Callable[[], list[str]]]:
    """A container, a network and a volume of somebody else that look like a run's; which of them are gone."""
    labels = {RUN: f"{name}-somebody", NONCE: "another"}
    network = engine.client.networks.create(f"bystander-{name}", labels=labels)
    volume = engine.client.volumes.create(f"bystander-{name}", labels=labels)
    container = engine.client.containers.run(
        PYTHON_IMAGE,
        ["sleep", "100000"],
        name=f"bystander-{name}",
        labels=labels,
        network=network.name,
        volumes={volume.name: {"bind": "/data"}},
        init=True,
        detach=True,
    )

    def gone() -> list[str]:
        there = {each["Names"][0].removeprefix("/") for each in engine.client.api.containers()}
        there |= {f"network {each['Name']}" for each in engine.client.api.networks()}
        there |= {f"volume {each['Name']}" for each in engine.client.api.volumes()["Volumes"] or []}
        wanted = {f"bystander-{name}", f"network bystander-{name}", f"volume bystander-{name}"}
        return sorted(wanted - there)

    try:
        yield gone
    finally:
        container.remove(force=True)
        network.remove()
        volume.remove()


def left_of(project: Project) -> list[str]:
    """What runs of a project have left: on the engine, and processes."""
    return [
        *project.left_on_engine(),
        *(f"process {pid}" for pid in processes_of(f"dockerci-{project.root.name}-")),
    ]


def seconds_until_nothing(project: Project, limit_seconds: float) -> tuple[float, list[str]]:
    """Wait until nothing of a project's runs is left, and stays so.

    Returns:
        How long that took, and what is left at the limit.
    """
    began = time.monotonic()
    while left := left_of(project):
        if time.monotonic() - began > limit_seconds:
            return time.monotonic() - began, left
        time.sleep(0.05)
    seconds = time.monotonic() - began
    time.sleep(0.3)
    return seconds, left_of(project)


def clear(project: Project) -> None:
    """Take away what a trial that was not good has left, so that the next one is judged by itself."""
    command = [project.python, "-m", "pytest_dockerci.cli", "gc"]
    subprocess.run(command, cwd=project.root, env=project.environ, capture_output=True, check=False)


def output_of(process: subprocess.Popen[str]) -> str | None:
    """All that a run prints, up to its end; None when it does not end."""
    try:
        return process.communicate(timeout=HANGS_AFTER_SECONDS)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return None
