"""One Compose project on the engine: started by Compose, watched by events."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker.errors

from pytest_dockerci.engine.command import Commands, Completed, mask_secrets
from pytest_dockerci.engine.compose_yaml import difference, write_yaml
from pytest_dockerci.engine.container import read_logs
from pytest_dockerci.engine.labels import COMPOSE_PROJECT, COMPOSE_SERVICE, RunIdentity
from pytest_dockerci.engine.readiness import Observation, observation_of
from pytest_dockerci.errors import ServiceNotReadyError
from pytest_dockerci.last_image import write_whole

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine

_COMMENT = """What pytest-dockerci changes for one run. Made anew for each; the project's own files are not touched.
Below it lies model.yaml: the project's files as `docker compose config` resolved them."""
_LOG_TAIL_LINES = 200


class Stack:
    """One project: its files, and its containers by service.

    Args:
        engine: The engine.
        commands: Runs Compose.
        identity: The run.
        project: Compose's project.
        folder: Takes the files.
        rootdir: Where Compose runs.
        secret_environ: Added to Compose's environment, for what the files name but must not hold.

    Attributes:
        model: The stack as it runs, once it is written.
    """

    def __init__(
        self,
        engine: Engine,
        commands: Commands,
        identity: RunIdentity,
        *,
        project: str,
        folder: Path,
        rootdir: Path,
        secret_environ: Mapping[str, str] | None = None,
    ) -> None:
        self.project = project
        self._engine = engine
        self._commands = commands
        self._identity = identity
        self._rootdir = rootdir
        self._model_file = folder / "model.yaml"
        self._override_file = folder / f"override-{project}.yaml"
        self.model: Mapping[str, Any] = {}
        self._secret_environ = dict(secret_environ or {})

    def write(self, base: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
        """Write the files: what Compose resolved, and what the run changes about it."""
        self.model = wanted
        # They hold the values of the environment that the project's files use. The stacks of a run share the
        # first, which Compose may be reading.
        write_whole(self._model_file, write_yaml(base))
        write_whole(self._override_file, write_yaml(difference(base, wanted), comment=_COMMENT))

    def compose(self, *arguments: str, timeout_seconds: float) -> Completed:
        """Run Compose on the project."""
        argv = ["docker", "compose", "--project-name", self.project, "--progress", "quiet"]
        argv += ["--project-directory", str(self._rootdir)]
        argv += ["--file", str(self._model_file), "--file", str(self._override_file)]
        return self._commands.run(
            [*argv, *arguments],
            cwd=self._rootdir,
            timeout_seconds=timeout_seconds,
            environ=self._secret_environ,
        )

    def definitions(self, services: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """Services by name, as the stack runs them."""
        return {name: self.model["services"][name] for name in services}

    def create(self, services: Sequence[str], *, timeout_seconds: float) -> Completed:
        """Create the containers of services, and their networks and volumes; start nothing."""
        return self.compose(
            "create", "--no-build", "--no-recreate", *services, timeout_seconds=timeout_seconds
        )

    def up(self, services: Sequence[str], *, timeout_seconds: float) -> Completed:
        """Start services, and what they depend on, in Compose's order."""
        return self.compose(
            "up", "--detach", "--no-build", "--no-recreate", *services, timeout_seconds=timeout_seconds
        )

    def container_ids(self) -> dict[str, tuple[str, ...]]:
        """The containers of each service, stopped ones too."""
        filters = self._identity.filters
        filters["label"].append(f"{COMPOSE_PROJECT}={self.project}")
        found: dict[str, list[str]] = {}
        for data in self._engine.client.api.containers(all=True, filters=filters):
            service = data["Labels"].get(COMPOSE_SERVICE, "")
            found.setdefault(service, []).append(data["Id"])
        return {service: tuple(sorted(ids)) for service, ids in found.items()}

    def log_lines(self, container_id: str) -> list[str]:
        """The end of a container's log."""
        return mask_secrets(read_logs(self._engine, container_id, _LOG_TAIL_LINES)).splitlines()

    def failed_to_start(self, completed: Completed, services: Sequence[str]) -> ServiceNotReadyError:
        """The error for a Compose that could not start the project, in its words."""
        lines = [line for line in mask_secrets(completed.stderr).splitlines() if line.strip()]
        why = lines[-1] if lines else f"`docker compose` ended with exit code {completed.exit_code}"
        if completed.timed_out:
            why = f"`docker compose` did not end within {completed.seconds:.0f} s"
        return ServiceNotReadyError(
            f"the services {', '.join(services)} could not be started",
            why=why.removeprefix("Error response from daemon: "),
            fix=advice(why),
            output_title="output of docker compose",
            output=lines[:-1],
        )


def advice(refusal: str) -> str:
    """What to try when Compose or the engine refuses to start services. Pure.

    Args:
        refusal: Their words; those for a network without an address differ between versions of the engine.
    """
    if "address pool" in refusal:
        return (
            "free some: `docker network ls` shows who has them, `dockerci gc` removes those of dead runs;\n"
            "or give the engine more (default-address-pools in its daemon.json)"
        )
    if "no space left on device" in refusal.lower():
        return "make room on the engine: `docker system df` shows what is there, `dockerci gc --all` removes our caches"
    return "`docker compose up` should show the same; correct the Compose file"


def observe(engine: Engine, container_id: str) -> Observation:
    """One look at a container."""
    try:
        data = engine.client.api.inspect_container(container_id)
    except docker.errors.NotFound:
        return Observation(state="absent")
    return observation_of(data)


def deadline_after(seconds: float) -> float:
    """A point of the monotonic clock; 0 seconds mean never."""
    return time.monotonic() + seconds if seconds else float("inf")
