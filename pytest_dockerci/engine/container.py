"""A running container, as tests use it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from pytest_dockerci.engine.connection import ask
from pytest_dockerci.engine.exec_stream import open_exec
from pytest_dockerci.engine.frames import STDERR
from pytest_dockerci.errors import DockerCIError

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.plain_engine import PlainEngine

DEFAULT_EXEC_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecResult:
    """What came of a command in a container.

    Attributes:
        exit_code: Its exit code.
        stdout: What it printed.
        stderr: What it printed on standard error.
        output: Both, in the order in which they came.
    """

    exit_code: int
    stdout: str
    stderr: str
    output: str


def run_in_container(
    engine: Engine | PlainEngine,
    container_id: str,
    argv: Sequence[str],
    *,
    name: str,
    timeout_seconds: float = DEFAULT_EXEC_TIMEOUT_SECONDS,
    environ: Mapping[str, str] | None = None,
    user: str | None = None,
) -> ExecResult:
    """Run a command in a container to its end.

    Args:
        engine: The engine.
        container_id: The container.
        argv: Program and arguments; no shell takes part.
        name: How messages call the container.
        timeout_seconds: How long it may take; 0 for no limit.
        environ: Added to the container's environment.
        user: None for the container's own.

    Raises:
        DockerCIError: The container does not run, or the time is up.
    """
    stream = open_exec(engine, container_id, argv, user=user, environ=environ)
    pieces: list[tuple[int, bytes]] = []
    is_late = threading.Event()

    def stop() -> None:
        is_late.set()
        stream.close()

    timer = threading.Timer(timeout_seconds, stop) if timeout_seconds else None
    if timer is not None:
        timer.daemon = True
        timer.start()
    try:
        while piece := stream.read_piece():
            pieces.append(piece)
    finally:
        if timer is not None:
            timer.cancel()
        stream.close()
    output = b"".join(payload for _, payload in pieces).decode("utf-8", "replace")
    if is_late.is_set():
        raise DockerCIError(
            f"`{' '.join(argv)}` in {name} did not end within {timeout_seconds:g} s",
            fix="give it more time: exec(..., timeout_seconds=...)",
            output=output.splitlines(),
        )
    exit_code = stream.exit_code()
    if exit_code is None:
        raise DockerCIError(
            f"`{' '.join(argv)}` in {name} was cut off",
            why="the container ended, or the engine hung up",
            fix="see why in the log of its service, or with `docker events`",
            output=output.splitlines(),
        )
    return ExecResult(
        exit_code=exit_code,
        stdout=b"".join(payload for number, payload in pieces if number != STDERR).decode("utf-8", "replace"),
        stderr=b"".join(payload for number, payload in pieces if number == STDERR).decode("utf-8", "replace"),
        output=output,
    )


def read_logs(engine: Engine | PlainEngine, container_id: str, tail: int | None = None) -> str:
    """What the container printed on both streams; the last `tail` lines, or all. Empty when it is gone."""
    import docker.errors  # noqa: PLC0415 - a warm run does without

    try:
        data = engine.client.api.logs(
            container_id, stdout=True, stderr=True, tail="all" if tail is None else tail
        )
    except docker.errors.APIError:
        return ""
    return bytes(data).decode("utf-8", "replace")


class TestContainer:
    """A container of the image under test in which tests run.

    Attributes:
        id: The engine's id.
        name: For instance ``web-test-0``.
    """

    __test__ = False

    def __init__(self, engine: Engine | PlainEngine, container_id: str, name: str) -> None:
        self.id = container_id
        self.name = name
        self._engine = engine

    def __repr__(self) -> str:
        return f"<TestContainer {self.name} {self.id[:12]}>"

    def image_id(self) -> str:
        """Id of its image, as the engine says; empty when it is gone."""
        try:
            status, data = ask(self._engine, "GET", f"containers/{self.id}/json")
        except OSError:
            return ""
        return str(data["Image"]) if status == HTTPStatus.OK else ""

    def exec(
        self,
        argv: Sequence[str],
        *,
        timeout_seconds: float = DEFAULT_EXEC_TIMEOUT_SECONDS,
        environ: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> ExecResult:
        """Run a command in it, as the image's own user; no shell takes part.

        Raises:
            DockerCIError: It does not run any more, or the time is up.
        """
        return run_in_container(
            self._engine,
            self.id,
            argv,
            name=self.name,
            timeout_seconds=timeout_seconds,
            environ=environ,
            user=user,
        )

    def logs(self, tail: int | None = None) -> str:
        """What its first process printed."""
        return read_logs(self._engine, self.id, tail)
