"""Containers that a project hands over as `testcontainers` objects: joined to the stack under an alias.

`testcontainers` is imported only when there are any.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import docker.errors

from pytest_dockerci.engine.container import read_logs
from pytest_dockerci.engine.readiness import ServiceReadiness
from pytest_dockerci.errors import ServiceNotReadyError, SettingsError

if TYPE_CHECKING:
    from concurrent.futures import Future

    from pytest_dockerci.engine.background import Background
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.labels import RunIdentity

HOW_STARTED = "started by testcontainers"
_LOG_TAIL_LINES = 200


@dataclass(frozen=True, slots=True)
class _NetworkName:
    """All that `testcontainers` asks of a network (4.10 to 4.15: `DockerContainer.start`)."""

    name: str


class ExtraServices:
    """Further services of one run.

    Args:
        engine: The engine.
        identity: Labels their containers.
        containers: Alias to a `testcontainers` container that is not started.
    """

    def __init__(self, engine: Engine, identity: RunIdentity, containers: Mapping[str, Any]) -> None:
        self._engine = engine
        self._identity = identity
        self._containers = dict(containers)
        self._starts: list[Future[ServiceReadiness]] = []
        for alias, container in self._containers.items():
            if not hasattr(container, "with_kwargs") or not hasattr(container, "start"):
                raise SettingsError(
                    f"pytest_dockerci_extra_services: {alias!r} is no container of testcontainers",
                    why=f"it is a {type(container).__name__}",
                    fix="hand over an object such as testcontainers.core.container.DockerContainer(image)",
                )

    def start(self, find_neighbours: Callable[[], Sequence[str]], background: Background) -> None:
        """Start all of them beside the stack, each under its alias in every network of its neighbours.

        Args:
            find_neighbours: Gives the ids of the containers that are to reach them; asked only if there are any.
            background: Starts them.
        """
        if not self._containers:
            return
        networks = list(
            dict.fromkeys(
                name for each in find_neighbours() for name in container_networks(self._engine, each)
            )
        )
        from testcontainers.core.config import testcontainers_config  # noqa: PLC0415 - costs 100 ms

        # Its reaper would need an image of its own and the engine's socket; our labels do its work.
        testcontainers_config.ryuk_disabled = True
        self._starts = [
            background.submit(self._start, alias, container, networks)
            for alias, container in self._containers.items()
        ]

    def result(self) -> tuple[ServiceReadiness, ...]:
        """Block until all are ready by their own wait strategies.

        Raises:
            ServiceNotReadyError: One could not be started, with the end of its log.
        """
        return tuple(start.result() for start in self._starts)

    def close(self) -> None:
        """Close their connections; their containers go with the run's labels."""
        for container in self._containers.values():
            with contextlib.suppress(Exception):  # whatever a module's own client raises, the run is over
                container.get_docker_client().client.close()

    def _start(self, alias: str, container: Any, networks: Sequence[str]) -> ServiceReadiness:
        started = time.monotonic()
        kwargs = dict(getattr(container, "_kwargs", {}))
        kwargs["labels"] = {**kwargs.get("labels", {}), **self._identity.labels}
        container.with_kwargs(**kwargs)
        pending = list(networks)
        if pending and getattr(container, "_network", None) is None and "network" not in kwargs:
            aliases = getattr(container, "_network_aliases", None) or []
            container.with_network(_NetworkName(pending.pop(0)))
            container.with_network_aliases(*dict.fromkeys([*aliases, alias]))
        try:
            container.start()
            for network in pending:
                self._engine.client.api.connect_container_to_network(
                    container.get_wrapped_container().id, network, aliases=[alias]
                )
        except Exception as error:  # a module's start may raise anything
            raise ServiceNotReadyError(
                f'extra service "{alias}" could not be started',
                why=f"{type(error).__name__}: {error}",
                fix="correct it in pytest_dockerci_extra_services; its log says more",
                output_title=f'log of "{alias}"',
                output=self._log_lines(container),
            ) from error
        return ServiceReadiness(name=alias, seconds=time.monotonic() - started, how=HOW_STARTED)

    def _log_lines(self, container: Any) -> list[str]:
        try:
            container_id = container.get_wrapped_container().id
        except Exception:  # noqa: BLE001 - there is no container yet, and each version says so differently
            return []
        return read_logs(self._engine, container_id, _LOG_TAIL_LINES).splitlines()


def container_networks(engine: Engine, container_id: str) -> tuple[str, ...]:
    """The networks that a container is in and others can join."""
    try:
        data = engine.client.api.inspect_container(container_id)
    except docker.errors.NotFound:
        return ()
    names = data["NetworkSettings"].get("Networks") or {}
    return tuple(name for name in names if name not in ("host", "none"))
