"""Which engine: `DOCKER_HOST`, the named context, the CLI's current context, or the default socket.

Reads the CLI's own files; talks to nobody.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pytest_dockerci.errors import EngineUnreachableError

DEFAULT_SOCKET = "unix:///var/run/docker.sock"
_PATH_SCHEMES = ("unix", "npipe")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where an engine listens.

    Attributes:
        url: ``unix:///path``, ``tcp://host:port`` or another scheme of Docker's.
        source: What named it, for messages.
        certificates: Folder with ``ca.pem``, ``cert.pem`` and ``key.pem``; None without TLS.
        verify: The engine's certificate is checked.
    """

    url: str
    source: str
    certificates: Path | None = None
    verify: bool = True

    @property
    def scheme(self) -> str:
        """The part of the address before ``://``."""
        return urlsplit(self.url).scheme

    @property
    def shown(self) -> str:
        """The address without credentials, and what named it."""
        parts = urlsplit(self.url)
        address = (
            self.url
            if parts.scheme in _PATH_SCHEMES
            else parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        )
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


def find_endpoint(environ: Mapping[str, str]) -> Endpoint:
    """The engine that Docker's own command line would talk to.

    Raises:
        EngineUnreachableError: A context is named that does not exist, or its files cannot be read.

    Source: the order is the CLI's (``docker context`` reference, "Change the active context").
    """
    folder = Path(environ.get("DOCKER_CONFIG") or Path(environ.get("HOME", "~")).expanduser() / ".docker")
    if environ.get("DOCKER_HOST"):
        return _from_host(environ, folder)
    if environ.get("DOCKER_CONTEXT"):
        return _from_context(folder, environ["DOCKER_CONTEXT"], "DOCKER_CONTEXT")
    current = _read_json(folder / "config.json").get("currentContext")
    if current:
        return _from_context(folder, str(current), f"current context in {folder / 'config.json'}")
    return Endpoint(url=DEFAULT_SOCKET, source="default")


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
