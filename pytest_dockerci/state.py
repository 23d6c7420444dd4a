"""Where a project's run folders and caches lie on the host."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path


def state_directory(environ: Mapping[str, str], rootdir: Path) -> Path:
    """The folder of this project, made if it is not there; only its owner may read it.

    Source: the XDG Base Directory specification for ``XDG_CACHE_HOME`` and its default.
    """
    base = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    key = hashlib.sha256(str(rootdir).encode()).hexdigest()[:12]
    directory = base / "pytest-dockerci" / f"{rootdir.name or 'root'}-{key}"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory
