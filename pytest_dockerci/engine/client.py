"""The connection to one Docker Engine, checked against the oldest versions that are supported."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker
import docker.errors
import requests.exceptions
from docker.tls import TLSConfig

from pytest_dockerci.engine.api import CALL_TIMEOUT_SECONDS, Client
from pytest_dockerci.engine.command import Commands, Completed
from pytest_dockerci.engine.endpoint import Endpoint, find_endpoint
from pytest_dockerci.errors import EngineUnreachableError

ENGINE_FLOOR = (25, 0)
API_FLOOR = (1, 44)
COMPOSE_FLOOR = (2, 24, 4)
BUILDX_FLOOR = (0, 13)
_CONNECT_TIMEOUT_SECONDS = 4
_POOL_SIZE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A Docker Engine that answers.

    Attributes:
        client: The SDK's client; may be used from any thread.
        target: Where it listens.
        id: What it calls itself, by whichever address.
        child_environ: The whole environment for Docker's command line, pinned to this engine.
        version: The engine's version.
        api_version: The newest API it speaks, for instance ``(1, 45)``.
        compose_version: Version of ``docker compose``.
        buildx_version: Version of ``docker buildx``.
    """

    client: docker.DockerClient
    target: Endpoint
    id: str
    child_environ: Mapping[str, str] = field(repr=False)
    version: str
    api_version: tuple[int, ...]
    compose_version: tuple[int, ...]
    buildx_version: tuple[int, ...]

    @property
    def endpoint(self) -> str:
        """Where it listens, without credentials."""
        return self.target.shown

    @property
    def facts(self) -> dict[str, Any]:
        """What `attach_engine` is given in another process, as plain JSON values."""
        return {
            "engine_id": self.id,
            "version": self.version,
            "api_version": self.api_version,
            "compose_version": self.compose_version,
            "buildx_version": self.buildx_version,
        }


def connect_engine(environ: Mapping[str, str]) -> Engine:
    """The engine that the environment names, after it answered and its tools were found.

    Args:
        environ: The host's environment.

    Raises:
        EngineUnreachableError: It does not answer within 5 s, or it or its tools are too old or missing.
    """
    target = find_endpoint(environ)
    child_environ = target.child_environ(environ)
    commands = Commands(child_environ)
    with ThreadPoolExecutor(max_workers=2) as pool:
        compose = pool.submit(_ask_version, commands, ["docker", "compose", "version", "--short"])
        buildx = pool.submit(_ask_version, commands, ["docker", "buildx", "version"])
        client = _connect(target)
        answer = client.version()
        version = str(answer["Version"])
        api_version = parse_version(str(answer["ApiVersion"]))
        if api_version < API_FLOOR:
            raise EngineUnreachableError(
                f"Docker Engine {version} is too old",
                why=f"{target.shown} speaks API {_dotted(api_version)}; {_dotted(API_FLOOR)} is needed",
                fix=f"install Docker Engine {ENGINE_FLOOR[0]} or newer",
            )
        return Engine(
            client=client,
            target=target,
            id=str(client.info()["ID"]),
            child_environ=child_environ,
            version=version,
            api_version=api_version,
            compose_version=_checked("Docker Compose", "docker compose", compose.result(), COMPOSE_FLOOR),
            buildx_version=_checked("Docker buildx", "docker buildx", buildx.result(), BUILDX_FLOOR),
        )


def attach_engine(
    environ: Mapping[str, str],
    *,
    engine_id: str,
    version: str,
    api_version: Sequence[int],
    compose_version: Sequence[int],
    buildx_version: Sequence[int],
) -> Engine:
    """The engine that the environment names, which another process of the run has checked already.

    Raises:
        EngineUnreachableError: It does not answer any more.
    """
    target = find_endpoint(environ)
    return Engine(
        client=_connect(target),
        target=target,
        id=engine_id,
        child_environ=target.child_environ(environ),
        version=version,
        api_version=tuple(api_version),
        compose_version=tuple(compose_version),
        buildx_version=tuple(buildx_version),
    )


def parse_version(text: str) -> tuple[int, ...]:
    """The first dotted number in a text, such as ``github.com/docker/buildx v0.13.1+ds1``; empty if there is none."""
    match = re.search(r"(?<![\w.])v?(\d+(?:\.\d+)+)", text)
    return tuple(int(part) for part in match[1].split(".")) if match else ()


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _ask_version(commands: Commands, argv: list[str]) -> Completed:
    return commands.run(argv, timeout_seconds=_CONNECT_TIMEOUT_SECONDS)


def _checked(name: str, command: str, completed: Completed, floor: tuple[int, ...]) -> tuple[int, ...]:
    version = parse_version(completed.stdout)
    fix = f"install {name} {_dotted(floor)} or newer"
    if not completed.is_ok or not version:
        said = (completed.stderr or completed.stdout).strip().splitlines()
        raise EngineUnreachableError(
            f"{name} is missing",
            why=f"`{command} version` failed" + (f": {said[0]}" if said else ""),
            fix=fix,
        )
    if version < floor:
        raise EngineUnreachableError(
            f"{name} {_dotted(version)} is too old", why=f"{_dotted(floor)} is needed", fix=fix
        )
    return version


def _connect(target: Endpoint) -> docker.DockerClient:
    if target.scheme not in ("unix", "tcp", "http", "https", "npipe"):
        raise EngineUnreachableError(
            f"the engine at {target.shown} cannot be reached",
            why=f"{target.scheme}:// addresses are not supported",
            fix="forward its socket, `ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock HOST`, "
            "and set DOCKER_HOST=unix:///tmp/docker.sock",
        )
    try:
        _knock(target)
        client = Client(
            target.shown,
            base_url=target.url,
            version="auto",
            timeout=_CONNECT_TIMEOUT_SECONDS,
            tls=_tls(target),
            max_pool_size=_POOL_SIZE,
        )
    except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
        raise _unreachable(target, error) from error
    client.api.timeout = CALL_TIMEOUT_SECONDS
    return client


def _knock(target: Endpoint) -> None:
    """Connect and hang up: the system's own error says more than the SDK's, which also leaks its socket.

    Raises:
        OSError: Nobody listens, or may be spoken to.
    """
    parts = urlsplit(target.url)
    if target.scheme == "unix":
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knocking:
            knocking.settimeout(_CONNECT_TIMEOUT_SECONDS)
            knocking.connect(parts.path)
    elif target.scheme != "npipe":
        port = parts.port or (2376 if target.certificates else 2375)
        socket.create_connection((parts.hostname or "localhost", port), _CONNECT_TIMEOUT_SECONDS).close()


def _tls(target: Endpoint) -> TLSConfig | bool:
    folder = target.certificates
    if folder is None:
        return target.scheme == "https"
    pair = (str(folder / "cert.pem"), str(folder / "key.pem"))
    return TLSConfig(
        client_cert=pair if Path(pair[0]).exists() else None,
        ca_cert=str(folder / "ca.pem") if target.verify else None,
        verify=target.verify,
    )


def _unreachable(target: Endpoint, error: Exception) -> EngineUnreachableError:
    what = f"no Docker Engine answers at {target.shown}"
    match error:
        case PermissionError():
            return EngineUnreachableError(
                f"the Docker Engine at {target.shown} may not be used",
                why="permission denied on its socket",
                fix="`sudo usermod -aG docker $USER` and log in again, or use rootless Docker",
            )
        case FileNotFoundError():
            return EngineUnreachableError(
                what,
                why=f"there is no socket {urlsplit(target.url).path}",
                fix="install Docker Engine and start it (Docker Desktop: open it); "
                "`docker context ls` shows where others listen",
            )
        case ConnectionRefusedError():
            return EngineUnreachableError(
                what, why="connection refused", fix="start it; is `dockerd` running?"
            )
        case _:
            return EngineUnreachableError(
                what, why=str(error), fix="`docker version` must work in the same shell"
            )
