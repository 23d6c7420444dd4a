"""A container that runs one program of an image to its end and is then gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker.types import Mount

from pytest_dockerci.engine.container import read_logs

if TYPE_CHECKING:
    from pathlib import PurePosixPath

    from pytest_dockerci.engine.client import Engine
    from pytest_dockerci.engine.labels import RunIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrowawayResult:
    """What came of it.

    Attributes:
        exit_code: Its exit code.
        stdout: What it printed.
        output: The same with standard error in between.
    """

    exit_code: int
    stdout: str
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeMount:
    """A volume in a container.

    Attributes:
        volume: Its name.
        path: Where it is mounted.
        is_read_only: It cannot be written to there.
    """

    volume: str
    path: PurePosixPath
    is_read_only: bool = False


def run_throwaway(  # noqa: PLR0913 - each has a default that fits most callers
    engine: Engine,
    identity: RunIdentity,
    image_id: str,
    argv: Sequence[str],
    *,
    user: str | None = None,
    environ: Mapping[str, str] | None = None,
    mounts: Sequence[VolumeMount] = (),
    network_mode: str = "none",
    timeout_seconds: int = 60,
) -> ThrowawayResult:
    """Run a program in a container of an image; the image's entrypoint takes no part.

    Args:
        engine: The engine.
        identity: Labels the container.
        image_id: The image.
        argv: Program and arguments; no shell takes part.
        user: None for the image's.
        environ: Added to the image's.
        mounts: Volumes.
        network_mode: Without network by default.
        timeout_seconds: How long it may take.

    Raises:
        docker.errors.APIError: The program is not in the image, or the engine refuses.
        requests.exceptions.RequestException: The time is up.
    """
    container = engine.client.containers.create(
        image_id,
        entrypoint=list(argv[:1]),
        command=list(argv[1:]),
        labels=identity.labels,
        network_mode=network_mode,
        user=user,
        environment=dict(environ or {}),
        healthcheck={"test": ["NONE"]},
        mounts=[
            Mount(target=str(mount.path), source=mount.volume, type="volume", read_only=mount.is_read_only)
            for mount in mounts
        ],
    )
    try:
        container.start()
        exit_code = int(container.wait(timeout=timeout_seconds)["StatusCode"])
        stdout = container.logs(stdout=True, stderr=False).decode("utf-8", "replace")
        return ThrowawayResult(
            exit_code=exit_code, stdout=stdout, output=read_logs(engine, str(container.id))
        )
    finally:
        container.remove(force=True, v=True)
