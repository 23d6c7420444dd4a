"""A service of the stack, as tests use it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import docker.errors

from pytest_dockerci.engine.container import (
    DEFAULT_EXEC_TIMEOUT_SECONDS,
    ExecResult,
    read_logs,
    run_in_container,
)
from pytest_dockerci.errors import DockerCIError, SettingsError

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.relay import PublishedPorts

_STOP_TIMEOUT_SECONDS = 10


class Service:
    """One running service.

    Addresses change when a service is stopped and started; ask again after it.

    Args:
        engine: The engine.
        name: Its name in the Compose file.
        find_container: Gives the engine's id of its container.
        wait_ready: Blocks until it is ready again.
        note_stop: Told before it is stopped, with True, and with False when it is ready again.
        ports: How its published ports are reached.

    Attributes:
        name: Its name in the Compose file.
    """

    def __init__(
        self,
        engine: Engine,
        name: str,
        *,
        find_container: Callable[[], str],
        wait_ready: Callable[[], None],
        note_stop: Callable[[bool], None],
        ports: PublishedPorts,
    ) -> None:
        self.name = name
        self._engine = engine
        self._find_container = find_container
        self._wait_ready = wait_ready
        self._note_stop = note_stop
        self._ports = ports

    def __repr__(self) -> str:
        return f"<Service {self.name}>"

    @property
    def container_id(self) -> str:
        """The engine's id of its container."""
        return self._find_container()

    def address(self, port: int, protocol: str = "tcp") -> tuple[str, int]:
        """Where the host reaches one of its ports.

        Args:
            port: The port inside the container.
            protocol: ``tcp`` or ``udp``.

        Returns:
            Host and port, for `socket.create_connection` or an address such as ``http://{host}:{port}``.

        Raises:
            DockerCIError: The port is not declared, the service does not run, or it is a UDP port on an engine
                elsewhere.
        """
        data = self._engine.client.api.inspect_container(self.container_id)
        ports: Mapping[str, list[Mapping[str, str]] | None] = data["NetworkSettings"].get("Ports") or {}
        bindings = ports.get(f"{port}/{protocol}")
        if bindings:
            if protocol != "tcp" and not self._engine.target.is_local:
                raise DockerCIError(
                    f'port {port}/{protocol} of service "{self.name}" cannot be reached from here',
                    why=f"the engine is at {self._engine.endpoint}, and only TCP is relayed",
                    fix="test it from inside the container, where services are reached by name",
                )
            return self._ports.address(int(bindings[0]["HostPort"]))
        if not data["State"]["Running"]:
            raise DockerCIError(
                f'service "{self.name}" has no address while it does not run', fix=f"{self.name}.start()"
            )
        known = ", ".join(sorted(name for name, found in ports.items() if found)) or "none"
        raise DockerCIError(
            f'port {port}/{protocol} of service "{self.name}" is not published',
            why=f"declared by ports, expose and EXPOSE: {known}",
            fix=f'add to "{self.name}" in the Compose file: expose: ["{port}"]',
        )

    def exec(
        self,
        argv: Sequence[str],
        *,
        timeout_seconds: float = DEFAULT_EXEC_TIMEOUT_SECONDS,
        environ: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> ExecResult:
        """Run a command in its container; no shell takes part.

        Args:
            argv: Program and arguments.
            timeout_seconds: How long it may take; 0 for no limit.
            environ: Added to the container's environment.
            user: None for the container's own.

        Raises:
            DockerCIError: The service does not run, or the time is up.
        """
        return run_in_container(
            self._engine,
            self.container_id,
            argv,
            name=f'service "{self.name}"',
            timeout_seconds=timeout_seconds,
            environ=environ,
            user=user,
        )

    def logs(self, tail: int | None = None) -> str:
        """What it printed on both streams; the last `tail` lines, or all."""
        return read_logs(self._engine, self.container_id, tail)

    def stop(self) -> None:
        """Stop it as `docker stop` does: its stop signal, 10 s, KILL. A stopped one stays stopped."""
        self._note_stop(True)
        self._act("stop", lambda api, key: api.stop(key, timeout=_STOP_TIMEOUT_SECONDS))

    def start(self) -> None:
        """Start it again and wait until it is ready.

        Raises:
            ServiceNotReadyError: It ends, or is not ready at the limit.
        """
        self._act("start", lambda api, key: api.start(key))
        self._come_back()

    def restart(self) -> None:
        """Stop it, start it and wait until it is ready.

        Raises:
            ServiceNotReadyError: It ends, or is not ready at the limit.
        """
        self._note_stop(True)
        self._act("restart", lambda api, key: api.restart(key, timeout=_STOP_TIMEOUT_SECONDS))
        self._come_back()

    def pause(self) -> None:
        """Freeze its processes: connections stay open and nothing answers."""
        self._act("pause", lambda api, key: api.pause(key))

    def unpause(self) -> None:
        """Let its processes go on and wait until it is ready: its health check failed meanwhile.

        Raises:
            ServiceNotReadyError: It ends, or is not ready at the limit.
        """
        self._act("unpause", lambda api, key: api.unpause(key))
        self._wait_ready()

    def kill(self, signal: str = "KILL") -> None:
        """Send its first process a signal; it does not come back by itself."""
        self._note_stop(True)
        self._act("kill", lambda api, key: api.kill(key, signal=signal))

    def restore(self) -> None:
        """Bring it back to its seed (``x-dockerci: {seed: ...}``): a new container with new volumes, ready.

        Raises:
            DockerCIError: It was not started from a seed.
            ServiceNotReadyError: It ends, or is not ready at the limit.
        """
        from pytest_dockerci.engine.restoring import restore_container  # noqa: PLC0415 - few tests need it

        self._note_stop(True)
        restore_container(self._engine, self.container_id, self.name)
        self._come_back()

    def _come_back(self) -> None:
        self._wait_ready()
        self._note_stop(False)

    def _act(self, verb: str, action: Callable[[docker.APIClient, str], object]) -> None:
        try:
            action(self._engine.client.api, self.container_id)
        except docker.errors.APIError as error:
            raise DockerCIError(
                f'service "{self.name}" could not {verb}',
                why=str(error.explanation or error),
                fix=f'see dockerci_services["{self.name}"].logs(), and the order of stop, start, pause and unpause',
            ) from error


def wait_again(service: Service) -> None:
    """Block until a service is ready that another process of the run has started again.

    Raises:
        ServiceNotReadyError: It ended, or is not ready at the limit.
    """
    service._wait_ready()  # noqa: SLF001 - no part of what tests use


def note_stop(service: Service, *, is_stopped: bool) -> None:
    """Another process of the run is about to stop a service, or has started it again."""
    service._note_stop(is_stopped)  # noqa: SLF001 - no part of what tests use


class ServiceMap(Mapping[str, Service]):
    """Every service of the Compose files by name; one that does not run yet is started when it is asked for.

    Args:
        names: All names.
        get: Gives the service, running.
    """

    def __init__(self, names: Sequence[str], get: Callable[[str], Service]) -> None:
        self._names = tuple(names)
        self._get = get

    def __getitem__(self, name: str) -> Service:
        """The service, started if it was not.

        Raises:
            SettingsError: The Compose files have no such service.
        """
        if name not in self._names:
            raise SettingsError(
                f"there is no service {name!r}",
                why=f"the Compose files have: {', '.join(sorted(self._names))}",
                fix="correct the name",
            )
        return self._get(name)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
