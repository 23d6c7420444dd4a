"""Which files of a container are artifacts, and what they are called on the host. Pure.

What a container says about names is data: it decides which of its files are wanted, and is shown; paths on
the host are made here, from characters that are harmless there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from pytest_dockerci.build_inputs import as_regex

MAX_DEPTH = 32
_MAX_NAME_CHARACTERS = 150
_WILD = frozenset("*?[")
_HARMFUL = re.compile(r"[^\w.,+=@%~ ()\[\]{}!#&'-]|^[ .]+|[ .]+$")
_NO_NAMES = frozenset({"", ".", ".."})


class ArtifactGlobs:
    """The globs of one run.

    Args:
        root: The folder in the container at which relative globs start.
        globs: As the user wrote them.
    """

    def __init__(self, root: PurePosixPath, globs: Sequence[str]) -> None:
        absolute = [str(root / glob) for glob in globs]
        self._patterns = [re.compile(as_regex(glob.strip("/"))) for glob in absolute]
        self._folders = tuple(dict.fromkeys(_fixed_part(PurePosixPath(glob)) for glob in absolute))

    @property
    def folders(self) -> tuple[PurePosixPath, ...]:
        """What has to be read of the container: files or folders, none below another."""
        return tuple(
            folder
            for folder in self._folders
            if not any(folder != other and folder.is_relative_to(other) for other in self._folders)
        )

    def wants(self, path: PurePosixPath) -> bool:
        """True for a file that a glob names, itself or by a folder above it."""
        text = str(path).strip("/")
        return any(pattern.fullmatch(text) for pattern in self._patterns)


def _fixed_part(glob: PurePosixPath) -> PurePosixPath:
    """What stands before the first wildcard."""
    fixed = []
    for part in glob.parts:
        if _WILD & set(part):
            break
        fixed.append(part)
    return PurePosixPath(*fixed)


def plain_path(name: str) -> tuple[str, ...] | None:
    """The parts of a name in an archive; None for one that leads out of its folder, or too deep."""
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    return None if ".." in parts or "\0" in name or not 0 < len(parts) <= MAX_DEPTH else parts


class HostNames:
    """Names on the host for names in one container; different ones stay different, whatever the file system folds."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, ...], str] = {}
        self._taken: set[tuple[str, ...]] = set()

    def path(self, parts: Sequence[str]) -> tuple[str, ...]:
        """Where a file goes.

        Args:
            parts: Of its path in the container.
        """
        found: tuple[str, ...] = ()
        for depth, part in enumerate(parts):
            # A file may have the name that a folder had in another container's archive.
            key = (*parts[: depth + 1], "" if depth + 1 == len(parts) else "/")
            name = self._given.get(key)
            if name is None:
                name = self._given[key] = self._free_name(found, host_name(part))
            found = (*found, name)
        return found

    def _free_name(self, folder: tuple[str, ...], wanted: str) -> str:
        name, number = wanted, 1
        while (*folder, name.casefold()) in self._taken:
            number += 1
            name = f"{wanted}~{number}"
        self._taken.add((*folder, name.casefold()))
        return name


def host_name(name: str) -> str:
    """A name for one file or folder: no separators, no control characters, not hidden, not too long."""
    harmless = _HARMFUL.sub("_", name)[:_MAX_NAME_CHARACTERS]
    return "_" if harmless in _NO_NAMES else harmless
