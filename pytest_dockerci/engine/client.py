"""The connection to one Docker Engine, checked against the oldest versions that are supported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_dockerci.engine.endpoint import Endpoint, find_endpoint, require_safe
from pytest_dockerci.engine.plain_engine import API_FLOOR
from pytest_dockerci.engine.reaching import open_client
from pytest_dockerci.engine.tools import Tools, dotted, parse_version
from pytest_dockerci.errors import DockerCIError, EngineUnreachableError

if TYPE_CHECKING:
    from pytest_dockerci.engine.api import Client
    from pytest_dockerci.engine.ssh_tunnel import SshTunnel

ENGINE_FLOOR = (25, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A Docker Engine that answers.

    Attributes:
        client: The SDK's client; may be used from any thread.
        target: Where it listens; our own end of the tunnel, for an engine that ssh reaches.
        id: What it calls itself, by whichever address.
        child_environ: The whole environment for Docker's command line, pinned to this engine. Good for as long
            as this process lives; what outlives it uses `lasting_environ`.
        version: The engine's version.
        api_version: The newest API it speaks, for instance ``(1, 45)``.
        compose_version: Version of ``docker compose``.
        buildx_version: Version of ``docker buildx``.
        tunnel: What leads to it by ssh.
    """

    client: Client
    target: Endpoint
    id: str
    child_environ: Mapping[str, str] = field(repr=False)
    version: str
    api_version: tuple[int, ...]
    compose_version: tuple[int, ...]
    buildx_version: tuple[int, ...]
    tunnel: SshTunnel | None = field(default=None, repr=False)

    @property
    def endpoint(self) -> str:
        """Where it listens, without credentials."""
        return self.target.shown

    def suspect(self) -> None:
        """It did not answer once: the SDK's calls are not given a minute each, until one is answered."""
        self.client.api.suspect()

    def require_unbroken(self) -> None:
        """Check that nothing was lost on the way: calls get through again, a run does not go on.

        Raises:
            DockerCIError: The tunnel has broken since it was first opened.
        """
        if self.tunnel is not None and (end := self.tunnel.broken_since(0, look_seconds=0)):
            raise DockerCIError(
                f"the connection to the Docker Engine at {self.endpoint} was lost",
                why=end,
                fix="look at the network, and at ssh and the engine on that machine; then run again",
            )

    @property
    def lasting_environ(self) -> dict[str, str]:
        """The environment that names this engine to a process that opens a tunnel of its own, if need be."""
        return self.target.named.child_environ(self.child_environ)

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


def connect_engine(
    environ: Mapping[str, str], allow: frozenset[str] = frozenset(), tools: Tools | None = None
) -> Engine:
    """The engine that the environment names, after it answered and its tools were found.

    Args:
        environ: The host's environment.
        allow: Names of `dockerci_allow`.
        tools: Docker's tools, asked already.

    Raises:
        EngineUnreachableError: It does not answer within 5 s (by ssh 30 s), or it or its tools are too old or
            missing.
        SettingsError: It listens on the network without TLS.
    """
    named = find_endpoint(environ)
    require_safe(named, allow)
    client, target, tunnel = open_client(named, environ)
    try:
        return _checked_engine(client, target, tunnel, environ, tools or Tools(environ))
    except BaseException:
        client.close()
        raise


def _checked_engine(
    client: Client, target: Endpoint, tunnel: SshTunnel | None, environ: Mapping[str, str], tools: Tools
) -> Engine:
    answer = client.version()
    version = str(answer["Version"])
    api_version = parse_version(str(answer["ApiVersion"]))
    if api_version < API_FLOOR:
        raise EngineUnreachableError(
            f"Docker Engine {version} is too old",
            why=f"{target.shown} speaks API {dotted(api_version)}; {dotted(API_FLOOR)} is needed",
            fix=f"install Docker Engine {ENGINE_FLOOR[0]} or newer",
        )
    return Engine(
        client=client,
        target=target,
        tunnel=tunnel,
        id=str(client.info()["ID"]),
        child_environ=target.child_environ(environ),
        version=version,
        api_version=api_version,
        compose_version=tools.compose_version(),
        buildx_version=tools.buildx_version(),
    )


def attach_engine(
    environ: Mapping[str, str],
    *,
    engine_id: str,
    version: str,
    api_version: Sequence[int],
    compose_version: Sequence[int] = (),
    buildx_version: Sequence[int] = (),
) -> Engine:
    """The engine that the environment names, which another process of the run has checked already.

    Raises:
        EngineUnreachableError: It does not answer any more.
    """
    client, target, tunnel = open_client(find_endpoint(environ), environ)
    return Engine(
        client=client,
        target=target,
        tunnel=tunnel,
        id=engine_id,
        child_environ=target.child_environ(environ),
        version=version,
        api_version=tuple(api_version),
        compose_version=tuple(compose_version),
        buildx_version=tuple(buildx_version),
    )
