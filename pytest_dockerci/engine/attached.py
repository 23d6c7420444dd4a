"""A run's environment as another process of the run sees it: one of pytest-xdist's workers.

It reads and acts on what runs; starting, waiting and removing stay with the process that owns it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pytest_dockerci.engine.client import Engine, attach_engine
from pytest_dockerci.engine.container import TestContainer
from pytest_dockerci.engine.exec_stream import ExecStream, open_exec
from pytest_dockerci.engine.kept_facts import image_as_json, image_from_json
from pytest_dockerci.engine.labels import RunIdentity
from pytest_dockerci.engine.relay import published_ports
from pytest_dockerci.engine.service import Service, ServiceMap
from pytest_dockerci.masking import know

if TYPE_CHECKING:
    from pytest_dockerci.engine.environment import Environment


def describe_environment(environment: Environment, engine: Engine, workers: int) -> dict[str, Any]:
    """What another process has to know, as plain JSON values.

    Args:
        environment: Started.
        engine: Its engine.
        workers: Number of its test containers.
    """
    containers = [environment.container(worker) for worker in range(workers)]
    return {
        "engine": engine.facts,
        "identity": asdict(environment.identity),
        "image": image_as_json(environment.image),
        "services": list(environment.services),
        "containers": [[container.id, container.name] for container in containers],
        "secret_environ": dict(environment.secret_environ),
    }


class AttachedEnvironment:
    """An environment that another process of this run has started.

    Args:
        description: What `describe_environment` said there.
        environ: This process's environment, which names the engine.
        ask: Asks the owner: called with a question and the service that it is about.

    Attributes:
        image: The image under test.
        services: The services of this worker's stack.
        secret_environ: Variables of the testing environment that are secrets.
    """

    def __init__(
        self, description: Mapping[str, Any], environ: Mapping[str, str], ask: Callable[[str, str], Any]
    ) -> None:
        self._engine = attach_engine(environ, **description["engine"])
        self._containers: Sequence[Sequence[str]] = description["containers"]
        self._ask = ask
        self.image = image_from_json(description["image"])
        identity = RunIdentity(**description["identity"])
        self._ports = published_ports(self._engine, identity, lambda: self.image, "")
        self.secret_environ: Mapping[str, str] = description["secret_environ"]
        know(self.secret_environ.values())
        self.services = ServiceMap(description["services"], self._service)

    def _service(self, name: str) -> Service:
        self._ask("start_service", name)
        return Service(
            self._engine,
            name,
            find_container=lambda: str(self._ask("find_service", name)),
            wait_ready=lambda: self._ask("wait_service", name),
            note_stop=lambda is_stopped: self._ask(
                "stopping_service" if is_stopped else "started_service", name
            ),
            ports=self._ports,
        )

    def start(self) -> None:
        """It runs already."""

    def container(self, worker: int) -> TestContainer:
        """The test container of a worker."""
        return TestContainer(self._engine, *self._containers[worker])

    def exec_python(self, worker: int, args: Sequence[str]) -> ExecStream:
        """As `Environment.exec_python`."""
        assert self.image.python is not None  # noqa: S101 - where pytest-xdist distributes, there is a suite of pytest
        return open_exec(
            self._engine,
            self._containers[worker][0],
            [self.image.python.executable, *args],
            workdir=self.image.container_root,
        )

    def close(self, *, fast: bool = False) -> tuple[str, ...]:
        """Hang up; what runs on the engine stays, and is nothing that this process left there."""
        del fast
        self._ports.close()
        self._engine.client.close()
        return ()
