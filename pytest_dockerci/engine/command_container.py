"""One command of the image under test, in a test container of its own: Compose has made it, we start it.

Nothing of ours is in it. Its streams are attached before it starts, so no byte is lost, and a command that
prints faster than it is read waits.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import docker.errors

from pytest_dockerci.engine.command import mask_secrets
from pytest_dockerci.engine.connection import Connection, upgrade
from pytest_dockerci.engine.container_files import FoundFile, read_files
from pytest_dockerci.engine.frames import Demultiplexer, FrameError
from pytest_dockerci.engine.start_order import needs_compose
from pytest_dockerci.engine.trouble import trouble_of
from pytest_dockerci.errors import CommandLostError, NotRunError

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.stack import Stack

_CREATE_TIMEOUT_SECONDS = 120.0
_FIRST_LOOK_SECONDS = 0.01
_LONGEST_LOOK_SECONDS = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandEnd:
    """How a command has ended.

    Attributes:
        exit_code: Its exit code, above 128 for a signal.
        is_out_of_memory: The kernel ended a process of it for its memory limit.
        image_id: The image that it ran in, as the engine says.
        started_at: When it was started, in seconds since 1970 by the engine's clock.
    """

    exit_code: int
    is_out_of_memory: bool
    image_id: str
    started_at: float


class CommandContainer:
    """The container of one command.

    Args:
        engine: The engine.
        stack: The stack that it belongs to.
        name: Its service there, for instance ``web-command-0``.

    Attributes:
        name: As given.
        image_id: The image that it has to run.
    """

    def __init__(self, engine: Engine, stack: Stack, name: str, image_id: str) -> None:
        self.name = name
        self.image_id = image_id
        self._engine = engine
        self._stack = stack
        self._container_id = ""
        self._connection: Connection | None = None
        self._demultiplexer = Demultiplexer()
        self._pieces: list[tuple[int, bytes]] = []

    def start(self) -> None:
        """Attach to its streams and start it; a second time in a new container.

        Raises:
            NotRunError: The engine refuses: the program is not in the image, for instance.
        """
        if self._container_id:
            self._make_anew()
        ids = self._stack.container_ids().get(self.name)
        if not ids:
            raise CommandLostError(f"{self.name} has no container", why="it was removed")
        self._container_id = ids[0]
        self._demultiplexer, self._pieces = Demultiplexer(), []
        try:
            path = f"containers/{self._container_id}/attach?stream=1&stdout=1&stderr=1"
            self._connection = upgrade(self._engine, path, {})
        except OSError as error:
            raise CommandLostError(f"the output of {self.name} cannot be read", why=str(error)) from error
        self._start()

    def _make_anew(self) -> None:
        self.close()
        completed = self._stack.compose(
            "create", "--no-build", "--force-recreate", self.name, timeout_seconds=_CREATE_TIMEOUT_SECONDS
        )
        if not completed.is_ok:
            raise self._stack.failed_to_start(completed, [self.name])

    def _start(self) -> None:
        definition = self._stack.definitions([self.name])
        if needs_compose(definition.values(), self._stack.model):
            completed = self._stack.compose("start", self.name, timeout_seconds=_CREATE_TIMEOUT_SECONDS)
            if not completed.is_ok:
                raise self._stack.failed_to_start(completed, [self.name])
            return
        try:
            self._engine.client.api.start(self._container_id)
        except docker.errors.APIError as error:
            self.close()
            said = mask_secrets(str(error.explanation or error)).strip()
            raise NotRunError(
                "the command could not be started", why=said.splitlines()[-1], fix=_advice(said)
            ) from error

    def read_piece(self, timeout_seconds: float) -> tuple[int, bytes] | None:
        """The next bytes that it has printed, with the number of their stream (1, or 2 for errors); None at the end.

        Raises:
            TimeoutError: Nothing came in this time.
            CommandLostError: The engine sent what its API does not allow.
        """
        while not self._pieces:
            data = self._connection.receive(timeout_seconds) if self._connection is not None else b""
            if not data:
                return None
            try:
                self._pieces = list(self._demultiplexer.feed(data))
            except FrameError as error:
                raise CommandLostError(f"the output of {self.name} is damaged", why=str(error)) from error
        return self._pieces.pop(0)

    def kill(self, signal_name: str) -> None:
        """Send it a signal; nothing where it has ended."""
        with contextlib.suppress(docker.errors.APIError):
            self._engine.client.api.kill(self._container_id, signal_name)

    def trouble(self) -> str:
        """Why it does not run; empty while it does. Takes a few seconds at most."""
        return trouble_of(self._engine, self._container_id)

    def end(self, timeout_seconds: float) -> CommandEnd | None:
        """Wait for its end; None where it still runs after this time.

        Raises:
            CommandLostError: It was removed.
        """
        deadline = time.monotonic() + timeout_seconds
        pause = _FIRST_LOOK_SECONDS
        while True:
            try:
                data = self._engine.client.api.inspect_container(self._container_id)
            except docker.errors.NotFound as error:
                raise CommandLostError(f"{self.name} was removed before its end was known") from error
            if data["State"]["Status"] in ("exited", "dead"):
                return _end(data)
            if time.monotonic() >= deadline:
                return None
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_LOOK_SECONDS)

    def files(self, path: str) -> Iterator[FoundFile]:
        """What a path or pattern of results names in it, when it has ended."""
        data = self._engine.client.api.inspect_container(self._container_id)
        workdir = str((data.get("Config") or {}).get("WorkingDir") or "/")
        yield from read_files(self._engine, self._container_id, path, workdir=workdir)

    def close(self) -> None:
        """Hang up, and end it where it still runs."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._container_id:
            self.kill("KILL")


def _end(data: dict[str, Any]) -> CommandEnd:
    state = data["State"]
    return CommandEnd(
        exit_code=int(state.get("ExitCode") or 0),
        is_out_of_memory=bool(state.get("OOMKilled")),
        image_id=str(data["Image"]),
        started_at=parse_time(str(state.get("StartedAt") or "")),
    )


def parse_time(text: str) -> float:
    """An RFC 3339 time of the engine's in seconds since 1970; 0 for none. Pure."""
    # Nine digits of a second; `datetime` takes six, and ``Z`` only since Python 3.11.
    head, _, fraction = text.removesuffix("Z").partition(".")
    try:
        seconds = datetime.fromisoformat(f"{head}+00:00").timestamp()
    except ValueError:
        return 0.0
    return seconds + (float(f"0.{fraction}") if fraction.isdecimal() else 0.0)


def _advice(said: str) -> str:
    if "permission denied" in said:
        return (
            "make the program executable in the image (COPY --chmod=755), or name its interpreter: sh /path"
        )
    if "no such file" in said or "not found" in said:
        return "check that the image has this program at this path, and the interpreter of its first line"
    return "`docker run IMAGE COMMAND` should show the same"
