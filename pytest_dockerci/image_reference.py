"""Names of images: repository, tag, digest, and which registry a repository is in. Pure.

Source: the grammar of ``github.com/distribution/reference``, which the engine uses.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

DOCKER_HUB = "docker.io"
_DOCKER_HUB_API = "registry-1.docker.io"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MAX_NAME_CHARACTERS = 255


class ReferenceFormatError(ValueError):
    """A text is no name of an image; says why."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A place in a registry.

    Attributes:
        registry: The registry's host, with its port where it has one; `DOCKER_HUB` where none is written.
        path: The name in it, ``shop/web``.
    """

    registry: str
    path: str

    def __str__(self) -> str:
        return f"{self.registry}/{self.path}"

    @property
    def api_host(self) -> str:
        """The host that answers the registry's protocol."""
        return _DOCKER_HUB_API if self.registry == DOCKER_HUB else self.registry

    @property
    def is_loopback(self) -> bool:
        """True for a registry on the machine that asks: engines speak plain HTTP with those."""
        return self._host == "localhost" or self.is_within(("127.0.0.0/8", "::1/128"))

    def is_within(self, networks: Iterable[str]) -> bool:
        """True for a registry that is named by an address of one of these networks, such as ``10.0.0.0/8``."""
        try:
            address = ipaddress.ip_address(self._host.strip("[]"))
        except ValueError:
            return False
        return any(address in ipaddress.ip_network(network, strict=False) for network in networks)

    @property
    def _host(self) -> str:
        return self.registry.rpartition(":")[0] if re.search(r":\d+\Z", self.registry) else self.registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One image of a repository.

    Attributes:
        repository: Where it is.
        tag: ``latest`` where neither a tag nor a digest is written; empty where only a digest is.
        digest: ``sha256:`` and 64 digits; empty where none is written.
    """

    repository: Repository
    tag: str
    digest: str

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.repository}{tag}{digest}"


def parse_repository(text: str) -> Repository:
    """A repository from its name.

    Raises:
        ReferenceFormatError: It is none.
    """
    if "://" in text:
        raise ReferenceFormatError("a repository is written without http:// or https://")
    first, slash, rest = text.partition("/")
    is_host = bool(slash) and (first == "localhost" or any(mark in first for mark in ".:"))
    registry, path = (first, rest) if is_host else (DOCKER_HUB, text)
    if is_host and not _HOST.fullmatch(registry):
        raise ReferenceFormatError(f"{registry} is no host, with or without :port")
    if registry in (DOCKER_HUB, f"index.{DOCKER_HUB}"):
        registry, path = DOCKER_HUB, path if "/" in path else f"library/{path}"
    if path != path.lower():
        raise ReferenceFormatError("a repository's name has no capital letters")
    if not _PATH.fullmatch(path):
        raise ReferenceFormatError(
            "a repository's name consists of a-z, 0-9 and single . _ - between them; "
            "the tag is written elsewhere"
        )
    if len(text) > _MAX_NAME_CHARACTERS:
        raise ReferenceFormatError(f"a repository's name has at most {_MAX_NAME_CHARACTERS} characters")
    return Repository(registry, path)


def parse_reference(text: str) -> Reference:
    """An image from its name.

    Raises:
        ReferenceFormatError: It is none.
    """
    name, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise ReferenceFormatError(f"{digest or 'nothing'} is no digest: sha256: and 64 digits")
    head, slash, last = name.rpartition("/")
    last, colon, tag = last.partition(":")
    if colon and not is_tag(tag):
        raise ReferenceFormatError(f"{tag or 'nothing'} is no tag")
    repository = parse_repository(f"{head}{slash}{last}")
    return Reference(repository=repository, tag=tag or ("" if at else "latest"), digest=digest)


def is_tag(text: str) -> bool:
    """True for what a registry takes as a tag."""
    return _TAG.fullmatch(text) is not None


def is_digest(text: str) -> bool:
    """True for ``sha256:`` and 64 digits."""
    return _DIGEST.fullmatch(text) is not None
