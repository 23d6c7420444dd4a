"""The nets are spread before Docker's client is loaded, and before it is known that there will be a run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from heard_events import heard_events
from pytest_dockerci.engine.labels import RUN
from whole_run.project import COMPOSE, PYTHON_IMAGE, WITH_REAPER, Project, processes_of

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine

pytestmark = pytest.mark.engine

SERVICES = """    depends_on: [db]
  db:
    image: %s
    command: [sleep, infinity]
    init: true
    volumes: [data:/data]
volumes: {data: {}}
"""


def test_the_reaper_runs_before_anything_else_is_created(project: Project, engine: Engine) -> None:
    """Neither a network nor a volume nor a container, as the engine tells it."""
    project.write_base(PYTHON_IMAGE)
    project.write(
        compose_yaml=COMPOSE % PYTHON_IMAGE + SERVICES % PYTHON_IMAGE,
        tests__test_any_py="def test_any(): pass\n",
    )
    with heard_events(engine) as events:
        outcome = project.run(**WITH_REAPER)
    assert outcome.exit_code == 0, outcome.output
    prefix = f"dockerci-{project.root.name}-"
    described = [
        (event, {key: str(value) for key, value in (event["Actor"].get("Attributes") or {}).items()})
        for event in events
        if event["Action"] in ("create", "start")
    ]
    [run_id] = {
        found[1]
        for _, names in described
        if (found := re.match(f"{prefix}(.+)-reaper", names.get("name", "")))
    }
    seen = [
        (event["Type"], event["Action"], attributes.get("name", "").removeprefix(f"{prefix}{run_id}-"))
        for event, attributes in described
        if attributes.get(RUN) == run_id or attributes.get("name", "").startswith(f"{prefix}{run_id}")
    ]
    kinds = [kind for kind, *_ in seen]
    assert {"container", "network"} <= set(kinds), seen
    assert seen[:2] == [("container", "create", "reaper"), ("container", "start", "reaper")], seen
    assert project.run_folders() == []


def test_a_run_that_cannot_begin_takes_them_down(project: Project, tmp_path: Path) -> None:
    """The builder is too old, which is found out while they are spread."""
    plugin = tmp_path / "config/cli-plugins/docker-buildx"
    plugin.parent.mkdir(parents=True)
    plugin.write_text("#!/bin/sh\nsleep 0.5\necho github.com/docker/buildx v0.12.1 00000\n")
    plugin.chmod(0o755)
    project.write(tests__test_any_py="def test_any(): pass\n")
    outcome = project.run(**WITH_REAPER, DOCKER_CONFIG=str(tmp_path / "config"))
    assert outcome.exit_code == 6, outcome.output
    assert "Docker buildx 0.12.1 is too old" in outcome.output
    assert "install Docker buildx 0.13 or newer" in outcome.output
    assert project.left_on_engine() == []
    assert processes_of(f"dockerci-{project.root.name}-") == []
    assert project.run_folders() == []


def test_a_reaper_that_has_to_be_pulled_is_started_later(project: Project) -> None:
    """It is pulled as before, and what is wrong with it told in the same words."""
    project.write(tests__test_any_py="def test_any(): pass\n")
    outcome = project.run(DOCKERCI_REAPER_IMAGE="localhost:1/not-there:1")
    assert outcome.exit_code == 0, outcome.output
    assert "dockerci: no reaper: there is no image localhost:1/not-there:1" in outcome.output
    assert project.left_on_engine() == []
    assert project.run_folders() == []
