"""Small projects on a real engine, and what is left of them there."""

from __future__ import annotations

import contextlib
import os
import textwrap
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from pytest_dockerci.engine.images import inspect_image
from pytest_dockerci.engine.labels import NONCE, RUN

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.environment import Environment

PYTHON_IMAGE = os.environ.get("PYTHON_IMAGE", "python:3.13-slim")
POSTGRES_IMAGE = os.environ.get("POSTGRES_IMAGE", "postgres:17")
REDIS_IMAGE = os.environ.get("REDIS_IMAGE", "redis:7")
SUITE = (PurePosixPath("tests"),)


@dataclass
class RecordedProgress:
    """Keeps what it is told."""

    lines: list[str] = field(default_factory=list)
    details: list[str] = field(default_factory=list)
    statuses: list[str] = field(default_factory=list)
    phases: list[str] = field(default_factory=list)

    def line(self, text: str) -> None:
        """Keep a line."""
        self.lines.append(text)

    def notice(self, text: str) -> None:
        """Keep a line."""
        self.lines.append(text)

    def detail(self, text: str) -> None:
        """Keep a detail."""
        self.details.append(text)

    def status(self, text: str) -> None:
        """Keep a status."""
        self.statuses.append(text)

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Keep the name."""
        self.phases.append(name)
        yield


class Project:
    """A project on disk and its environments on the engine.

    Args:
        engine: The engine.
        root: An empty folder.
        state: Another, kept between environments of the same project.
    """

    def __init__(self, engine: Engine, root: Path, state: Path) -> None:
        self.engine = engine
        self.root = root
        self.state = state
        self.progress = RecordedProgress()
        self.environments: list[Environment] = []
        self.image_ids: set[str] = set()

    def write(self, name: str, text: str) -> Path:
        """Write a file of the project; the text may be indented."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        return path

    def environment(self, **changes: Any) -> Environment:
        """An environment of the project, not started; closed when the test ends."""
        from pytest_dockerci.engine.environment import Environment  # noqa: PLC0415
        from pytest_dockerci.engine.environment_plan import EnvironmentPlan  # noqa: PLC0415

        values: dict[str, Any] = {
            "run_id": uuid.uuid4().hex[:8],
            "nonce": uuid.uuid4().hex,
            "rootdir": self.root,
            "state_dir": self.state,
            "service": "web",
            "host_versions": {"pytest": "9.0.0"},
            "ready_timeout_seconds": 60.0,
        }
        environment = Environment(self.engine, EnvironmentPlan(**{**values, **changes}), self.progress)
        self.environments.append(environment)
        return environment

    def started(self, **changes: Any) -> Environment:
        """An environment of the project, started."""
        environment = self.environment(**changes)
        environment.start()
        self.image_ids.add(environment.image.id)
        return environment

    def image_data(self, reference: str) -> dict[str, Any]:
        """All that the engine knows about an image."""
        data = inspect_image(self.engine, reference)
        assert data is not None
        return data

    def close(self) -> tuple[str, ...]:
        """End every environment, and remove the images that they built; what is left of them."""
        left = tuple(thing for environment in self.environments for thing in environment.close())
        for data in self.engine.client.api.images():
            for tag in data.get("RepoTags") or ():
                # By this project's name: a test beside this one has images, too.
                if tag.startswith((f"{self.root.name}-", f"dockerci-build/{self.root.name[:20]}")):
                    self.engine.client.api.remove_image(tag, force=True)
        return left


def python_in(environment: Environment, program: str, *args: str, worker: int = 0) -> str:
    """What a program prints in a test container, run as the agent is."""
    stream = environment.exec_python(worker, ["-c", program, *args])
    try:
        output = b""
        while data := stream.read():
            output += data
        assert stream.exit_code() == 0, stream.stderr_tail()
    finally:
        stream.close()
    return output.decode().strip()


def census_of(engine: Engine, environment: Environment) -> set[str]:
    """What an environment has on the engine."""
    identity = environment.identity
    api = engine.client.api
    filters = {"label": [f"{RUN}={identity.run_id}", f"{NONCE}={identity.nonce}"]}
    return {
        *(data["Id"] for data in api.containers(all=True, filters=filters)),
        *(data["Id"] for data in api.networks(filters=filters)),
        *(data["Name"] for data in api.volumes(filters=filters)["Volumes"] or ()),
    }
