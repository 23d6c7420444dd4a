"""Docker's command-line tools: are they there, and new enough?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import Future

from pytest_dockerci.engine.background import Background
from pytest_dockerci.engine.command import Commands, Completed
from pytest_dockerci.errors import EngineUnreachableError

COMPOSE_FLOOR = (2, 24, 4)
BUILDX_FLOOR = (0, 13)
_VERSION_TIMEOUT_SECONDS = 4


class Tools:
    """Asks the tools for their versions, beside what else goes on: each answer takes as long as a program's start.

    Args:
        environ: The host's environment.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._commands = Commands(environ)
        self._background = Background()
        self._compose = self._ask("docker", "compose", "version", "--short")
        self._buildx = self._ask("docker", "buildx", "version")

    def compose_version(self) -> tuple[int, ...]:
        """Version of ``docker compose``; blocks until it has answered.

        Raises:
            EngineUnreachableError: It is missing, or too old.
            CommandError: There is no ``docker``.
        """
        return _checked("Docker Compose", "docker compose", self._compose.result(), COMPOSE_FLOOR)

    def buildx_version(self) -> tuple[int, ...]:
        """Version of ``docker buildx``; otherwise as `compose_version`."""
        return _checked("Docker buildx", "docker buildx", self._buildx.result(), BUILDX_FLOOR)

    def _ask(self, *argv: str) -> Future[Completed]:
        return self._background.submit(self._commands.run, argv, timeout_seconds=_VERSION_TIMEOUT_SECONDS)


def parse_version(text: str) -> tuple[int, ...]:
    """The first dotted number in a text, such as ``github.com/docker/buildx v0.13.1+ds1``; empty if there is none."""
    match = re.search(r"(?<![\w.])v?(\d+(?:\.\d+)+)", text)
    return tuple(int(part) for part in match[1].split(".")) if match else ()


def dotted(version: tuple[int, ...]) -> str:
    """A version as people write it."""
    return ".".join(map(str, version))


def _checked(name: str, command: str, completed: Completed, floor: tuple[int, ...]) -> tuple[int, ...]:
    version = parse_version(completed.stdout)
    fix = f"install {name} {dotted(floor)} or newer"
    if not completed.is_ok or not version:
        said = (completed.stderr or completed.stdout).strip().splitlines()
        raise EngineUnreachableError(
            f"{name} is missing",
            why=f"`{command} version` failed" + (f": {said[0]}" if said else ""),
            fix=fix,
        )
    if version < floor:
        raise EngineUnreachableError(
            f"{name} {dotted(version)} is too old", why=f"{dotted(floor)} is needed", fix=fix
        )
    return version
