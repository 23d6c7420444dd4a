"""Which host file a container path stands for, and the other way round. Pure."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True, slots=True)
class PathMap:
    """Pairs of trees, most specific container path first.

    Args:
        pairs: ``(container folder, host folder)``; the first pair is rootdir's.
        invocation_dir: Where pytest was called; short paths are relative to it, as in plain pytest.
    """

    pairs: tuple[tuple[PurePosixPath, Path], ...]
    invocation_dir: Path

    @property
    def container_root(self) -> PurePosixPath:
        """The folder in the container that stands for rootdir."""
        return self.pairs[0][0]

    @property
    def rootdir(self) -> Path:
        """The rootdir of pytest on the host."""
        return self.pairs[0][1]

    def to_host(self, container_path: str) -> Path | None:
        """The host path of an absolute container path; None when no pair covers it."""
        path = PurePosixPath(container_path)
        for container, host in sorted(self.pairs, key=lambda pair: -len(pair[0].parts)):
            if path.is_relative_to(container):
                return host / path.relative_to(container)
        return None

    def to_container(self, host_path: Path) -> PurePosixPath | None:
        """The container path of a host path below rootdir; None for others."""
        if not host_path.is_relative_to(self.rootdir):
            return None
        return self.container_root / PurePosixPath(host_path.relative_to(self.rootdir).as_posix())

    def container_paths(self, host_path: Path) -> list[PurePosixPath]:
        """Every container path that an absolute host path may stand for, rootdir's first."""
        return [
            container / PurePosixPath(host_path.relative_to(host).as_posix())
            for container, host in self.pairs
            if host_path.is_relative_to(host)
        ]

    def shown(self, container_path: str) -> str:
        """A path of a traceback as it is shown on the host.

        Paths that pytest shortened against the container's root become relative to where
        pytest was called; absolute ones become the host's, where it exists; all others stay.
        """
        if container_path.startswith("/"):
            host_path = self.to_host(container_path)
            if host_path is None or not host_path.exists():
                return container_path
            return str(host_path)
        host_path = Path(os.path.normpath(self.rootdir / container_path))
        if not host_path.exists():
            return container_path
        return os.path.relpath(host_path, self.invocation_dir)

    def translate_text(self, text: str) -> str:
        """A message of pytest's own (a collection error) with the container's paths replaced."""
        return re.sub(r"(?<![\w/.-])/[^\s'\"():,]+", lambda match: self.shown(match.group()), text)
