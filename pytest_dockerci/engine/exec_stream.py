"""One command in a container, as a stream in both directions."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pytest_dockerci.engine.connection import Connection, ask, upgrade
from pytest_dockerci.engine.frames import STDERR, Demultiplexer, FrameError
from pytest_dockerci.errors import AgentLostError, DockerCIError

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.plain_engine import PlainEngine

_STDERR_TAIL_BYTES = 64 << 10


class ExecStream:
    """A running command: its standard output to read, its standard input to write.

    One thread may read while others write.

    Attributes:
        exec_id: The engine's name for it.
        container_id: Its container.
    """

    def __init__(
        self,
        engine: Engine | PlainEngine,
        exec_id: str,
        container_id: str,
        connection: Connection,
    ) -> None:
        self.exec_id = exec_id
        self.container_id = container_id
        self._engine = engine
        self._connection = connection
        self._demultiplexer = Demultiplexer()
        self._pieces: list[tuple[int, bytes]] = []
        self._stderr = bytearray()
        self._breaks = engine.tunnel.breaks if engine.tunnel else 0

    def read(self, timeout_seconds: float | None = None) -> bytes:
        """The next bytes of standard output; empty at the end.

        Raises:
            AgentLostError: The engine sent what its API does not allow.
            TimeoutError: None came in this time, whatever came on standard error.
        """
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while piece := self.read_piece(None if deadline is None else max(0.0, deadline - time.monotonic())):
            number, payload = piece
            if number != STDERR:
                return payload
        return b""

    def read_piece(self, timeout_seconds: float | None = None) -> tuple[int, bytes] | None:
        """The next bytes of either output with the number of their stream; None at the end.

        Raises:
            AgentLostError: The engine sent what its API does not allow.
            TimeoutError: Nothing came in this time.
        """
        while not self._pieces:
            data = self._connection.receive(timeout_seconds)
            if not data:
                return None
            try:
                self._pieces = list(self._demultiplexer.feed(data))
            except FrameError as error:
                raise AgentLostError("the stream from the container is damaged", why=str(error)) from error
        number, payload = self._pieces.pop(0)
        if number == STDERR:
            self._stderr += payload
            del self._stderr[:-_STDERR_TAIL_BYTES]
        return number, payload

    def write(self, data: bytes, /) -> None:
        """Send all of it to standard input.

        Raises:
            AgentLostError: The connection is gone.
        """
        try:
            self._connection.send(data)
        except OSError as error:
            raise AgentLostError("the container's standard input is closed", why=str(error)) from error

    def close(self) -> None:
        """Hang up; a blocked `read` returns. The command is not ended by this alone."""
        self._connection.close()

    def trouble(self) -> str:
        """What is wrong with the container or the engine; empty when nothing is. Takes a few seconds at most."""
        from pytest_dockerci.engine.trouble import trouble_of  # noqa: PLC0415 - loads the SDK, in a run that has trouble

        trouble = trouble_of(self._engine, self.container_id)
        tunnel = self._engine.tunnel
        if tunnel is not None and (end := tunnel.broken_since(self._breaks)):
            return f"the connection to the Docker Engine at {self._engine.endpoint} was lost: {end}"
        return trouble

    def stderr_tail(self) -> str:
        """The last 64 KiB that were read of standard error."""
        return bytes(self._stderr).decode("utf-8", "replace")

    def exit_code(self, *, timeout_seconds: float = 2.0) -> int | None:
        """The exit code; None while it runs, or when the container is gone.

        The engine records it a moment after the stream's end, hence the time limit.
        """
        deadline = time.monotonic() + timeout_seconds
        while True:
            try:
                status, state = ask(self._engine, "GET", f"exec/{self.exec_id}/json")
            except OSError:
                return None
            if status != HTTPStatus.OK:
                return None
            if not state["Running"]:
                code = state["ExitCode"]
                return None if code is None else int(code)
            if time.monotonic() >= deadline:
                return None
            time.sleep(0.01)


def open_exec(
    engine: Engine | PlainEngine,
    container_id: str,
    argv: Sequence[str],
    *,
    user: str | None = None,
    environ: Mapping[str, str] | None = None,
    workdir: PurePosixPath | str | None = None,
) -> ExecStream:
    """Start a command in a running container.

    Args:
        engine: The engine.
        container_id: The container.
        argv: Program and arguments; no shell takes part.
        user: None for the container's own.
        environ: Added to the container's environment.
        workdir: None for the container's own.

    Raises:
        DockerCIError: The container is gone or does not run, or the tunnel to the engine has broken.
    """
    engine.require_unbroken()
    wanted = {
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "Cmd": list(argv),
        "User": user or "",
        "Env": [f"{name}={value}" for name, value in (environ or {}).items()],
        "WorkingDir": str(workdir or ""),
    }
    try:
        status, created = ask(engine, "POST", f"containers/{container_id}/exec", wanted)
        if status != HTTPStatus.CREATED:
            raise ConnectionError(created)
        exec_id = str(created["Id"])
        connection = upgrade(engine, f"exec/{exec_id}/start", {"Detach": False, "Tty": False})
    except OSError as error:
        raise DockerCIError(
            f"no command can be started in container {container_id[:12]}",
            why=str(error),
            fix="it has to run: see its log, and whether something stops it",
        ) from error
    return ExecStream(engine, exec_id, container_id, connection)
