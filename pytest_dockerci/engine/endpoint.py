"""Which engine: `DOCKER_HOST`, the named context, the CLI's current context, or the default socket.

Reads the CLI's own files; talks to nobody.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pytest_dockerci.errors import EngineUnreachableError, SettingsError

DEFAULT_SOCKET = "unix:///var/run/docker.sock"
_PATH_SCHEMES = ("unix", "npipe")
_PLAIN_SCHEMES = ("tcp", "http")
_LOOPBACK = re.compile(r"localhost|127\.\d+\.\d+\.\d+|::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where an engine listens.

    Attributes:
        url: ``unix:///path``, ``tcp://host:port`` or another scheme of Docker's.
        source: What named it, for messages.
        certificates: Folder with ``ca.pem``, ``cert.pem`` and ``key.pem``; None without TLS.
        verify: The engine's certificate is checked.
        tunnel_to: The endpoint that was named, where `url` is our own end of a tunnel to it.
    """

    url: str
    source: str
    certificates: Path | None = None
    verify: bool = True
    tunnel_to: Endpoint | None = None

    @property
    def scheme(self) -> str:
        """The part of the address before ``://``."""
        return urlsplit(self.url).scheme

    @property
    def named(self) -> Endpoint:
        """What the user named: the far end of the tunnel, where this is the near one."""
        return self.tunnel_to or self

    @property
    def is_local(self) -> bool:
        """The engine has this machine's files, and its 127.0.0.1 is this machine's.

        Taken for granted of a local socket alone: a port of this machine may well be forwarded to another one.
        """
        return self.named.scheme in _PATH_SCHEMES

    @property
    def shown(self) -> str:
        """The address without credentials, and what named it."""
        url = self.named.url
        parts = urlsplit(url)
        userinfo, at, host = parts.netloc.rpartition("@")
        if parts.scheme == "ssh":  # whose account it is, is half of the address
            host = f"{userinfo.partition(':')[0]}{at}{host}"
        address = url if parts.scheme in _PATH_SCHEMES else parts._replace(netloc=host).geturl()
        return f"{address} ({self.source})"

    def child_environ(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The environment in which Docker's command line talks to this engine and no other."""
        result = {name: value for name, value in environ.items() if name not in _PINNED}
        result["DOCKER_HOST"] = self.url
        if self.certificates is not None:
            result["DOCKER_CERT_PATH"] = str(self.certificates)
            result["DOCKER_TLS_VERIFY" if self.verify else "DOCKER_TLS"] = "1"
        return result


_PINNED = frozenset({"DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"})


def configuration_folder(environ: Mapping[str, str]) -> Path:
    """Where the command line keeps its configuration."""
    return Path(environ.get("DOCKER_CONFIG") or Path(environ.get("HOME", "~")).expanduser() / ".docker")


def find_endpoint(environ: Mapping[str, str]) -> Endpoint:
    """The engine that Docker's own command line would talk to.

    Raises:
        EngineUnreachableError: A context is named that does not exist, or its files cannot be read.

    Source: the order is the CLI's (``docker context`` reference, "Change the active context").
    """
    folder = configuration_folder(environ)
    if environ.get("DOCKER_HOST"):
        return _from_host(environ, folder)
    if environ.get("DOCKER_CONTEXT"):
        return _from_context(folder, environ["DOCKER_CONTEXT"], "DOCKER_CONTEXT")
    current = _read_json(folder / "config.json").get("currentContext")
    if current:
        return _from_context(folder, str(current), f"current context in {folder / 'config.json'}")
    return Endpoint(url=DEFAULT_SOCKET, source="default")


def require_safe(endpoint: Endpoint, allow: frozenset[str]) -> None:
    """Check that nobody between here and the engine can read or change what is said.

    Raises:
        SettingsError: It listens on the network without TLS, and `dockerci_allow` does not say `plain-tcp`.

    Source: Docker documentation, "Protect the Docker daemon socket": whoever reaches such a port is root there.
    """
    is_plain = endpoint.scheme in _PLAIN_SCHEMES and endpoint.certificates is None
    host = urlsplit(endpoint.url).hostname or "localhost"
    if not is_plain or _LOOPBACK.fullmatch(host) or "plain-tcp" in allow:
        return
    raise SettingsError(
        f"the engine at {endpoint.shown} is not spoken to in clear",
        why="without TLS, everybody on the way reads and changes what is said, secrets included",
        fix="use ssh://USER@HOST, or TLS (DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH); "
        "on a network that is yours alone: dockerci_allow = plain-tcp",
    )


def _from_host(environ: Mapping[str, str], folder: Path) -> Endpoint:
    url = environ["DOCKER_HOST"]
    if "://" not in url:
        url = f"tcp://{url}"
    verify = bool(environ.get("DOCKER_TLS_VERIFY"))
    if urlsplit(url).scheme in _PATH_SCHEMES or not (verify or environ.get("DOCKER_TLS")):
        return Endpoint(url=url, source="DOCKER_HOST")
    certificates = Path(environ.get("DOCKER_CERT_PATH") or folder)
    return Endpoint(url=url, source="DOCKER_HOST", certificates=certificates, verify=verify)


def _from_context(folder: Path, name: str, source: str) -> Endpoint:
    if name == "default":
        return Endpoint(url=DEFAULT_SOCKET, source="default")
    identity = hashlib.sha256(name.encode()).hexdigest()
    meta = folder / "contexts" / "meta" / identity / "meta.json"
    if not meta.exists():
        known = sorted({"default", *_context_names(folder)})
        raise EngineUnreachableError(
            f"there is no Docker context {name!r}",
            why=f"named by {source}; known: {', '.join(known)}",
            fix="choose one with `docker context use NAME`, or unset DOCKER_CONTEXT",
        )
    docker = _read_json(meta).get("Endpoints", {}).get("docker", {})
    certificates = folder / "contexts" / "tls" / identity / "docker"
    return Endpoint(
        url=docker.get("Host") or DEFAULT_SOCKET,
        source=f"context {name!r}",
        certificates=certificates if certificates.is_dir() else None,
        verify=not docker.get("SkipTLSVerify", False),
    )


def _context_names(folder: Path) -> list[str]:
    return [
        str(_read_json(path).get("Name", "")) for path in (folder / "contexts" / "meta").glob("*/meta.json")
    ]


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise EngineUnreachableError(
            f"Docker's configuration file {path} cannot be read", why=str(error), fix="correct or remove it"
        ) from error
    return data if isinstance(data, dict) else {}


def shown_loss(endpoint: str, why: str) -> str:
    """What is said of an engine that answered before and does not now.

    Args:
        endpoint: Its address, without credentials.
        why: In the system's words.
    """
    return f"the Docker Engine at {endpoint} does not answer any more: {why}"
