"""What is known of the Python in an image. Pure; `python_probe` asks the image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonFacts:
    """The interpreter that the image's own user gets.

    Attributes:
        executable: Its path in the image.
        version: For instance ``(3, 13, 5)``.
        implementation: ``CPython`` or another.
        prefix: `sys.prefix`; the virtual environment's, if it is one.
        base_prefix: `sys.base_prefix`.
        libc: ``glibc``, ``musl`` or ``unknown``.
        libc_version: For instance ``2.41``.
        machine: For instance ``x86_64``.
        uid: The user that containers of the image run as.
        gid: Their group.
        cwd: Their working directory.
        path: `sys.path` without the script's folder.
        installed: Distributions and their versions.
        paths: For each asked path: ``folder``, the SHA-256 of the file, or empty when there is none.
    """

    executable: str
    version: tuple[int, ...]
    implementation: str
    prefix: str
    base_prefix: str
    libc: str
    libc_version: str
    machine: str
    uid: int
    gid: int
    cwd: str
    path: tuple[str, ...]
    installed: Mapping[str, str]
    paths: Mapping[str, str] = field(default_factory=dict)

    @property
    def shown_version(self) -> str:
        """For instance ``3.13.5``."""
        return ".".join(map(str, self.version))


def parse_facts(data: Mapping[str, Any]) -> PythonFacts:
    """The facts in what the program printed."""
    libc, libc_version = data["libc"]
    plain = {
        key: data[key] for key in ("executable", "implementation", "prefix", "base_prefix", "machine", "cwd")
    }
    return PythonFacts(
        **plain,
        version=tuple(data["version"]),
        libc=libc,
        libc_version=libc_version,
        uid=int(data["uid"]),
        gid=int(data["gid"]),
        path=tuple(data["path"]),
        installed=dict(data["installed"]),
        paths=dict(data["paths"]),
    )
