"""The files of a folder on the host that are brought into containers, in a stable order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

_LEFT_OUT = frozenset({"__pycache__", ".git", ".hg", ".pytest_cache"})
_COMPILED = (".pyc", ".pyo")


def tree_entries(
    path: PurePosixPath, host_folder: Path, is_left_out: Callable[[Path], bool]
) -> Iterator[tuple[PurePosixPath, Path]]:
    """A folder and all below it, each folder before what is in it: path in the container, path on the host.

    Left out: caches of Python and pytest, version control, virtual environments, and what `is_left_out`
    says; symbolic links are not followed.

    Args:
        path: What the folder is called in the container.
        host_folder: The folder.
        is_left_out: Asked with paths on the host.
    """
    yield path, host_folder
    for entry in sorted(os.scandir(host_folder), key=lambda entry: entry.name):
        host_path = Path(entry.path)
        if entry.name in _LEFT_OUT or entry.name.endswith(_COMPILED) or is_left_out(host_path):
            continue
        if not entry.is_dir(follow_symlinks=False):
            yield path / entry.name, host_path
        elif not (host_path / "pyvenv.cfg").exists():
            yield from tree_entries(path / entry.name, host_path, is_left_out)
