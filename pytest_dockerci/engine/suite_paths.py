"""Which of the host's files are laid over the image, and where. Looks at the host's files, and at nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from pytest_dockerci.engine.host_tree import tree_entries
from pytest_dockerci.errors import SettingsError

if TYPE_CHECKING:
    from pytest_dockerci.engine.python_facts import PythonFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class SuitePaths:
    """What is laid over the image.

    Attributes:
        rootdir: On the host.
        container_root: The folder in the image that stands for it.
        folders: Relative to either; none below another.
        files: Relative to either; none below a folder.
        host_only: Relative to either; stays on the host.
    """

    rootdir: Path
    container_root: PurePosixPath
    folders: tuple[PurePosixPath, ...]
    files: tuple[PurePosixPath, ...]
    host_only: tuple[PurePosixPath, ...]

    @property
    def container_paths(self) -> tuple[PurePosixPath, ...]:
        """All of them in the image."""
        return tuple(self.container_root / path for path in (*self.folders, *self.files))


def sort_suite(
    rootdir: Path,
    container_root: PurePosixPath,
    suite: Sequence[PurePosixPath],
    config_file: PurePosixPath | None,
    host_only: Sequence[PurePosixPath],
) -> SuitePaths:
    """The suite as folders and files; what lies below another entry is left out.

    Raises:
        SettingsError: An entry does not exist on the host.
    """
    entries = [*suite, *([config_file] if config_file else [])]
    for path in entries:
        if not (rootdir / path).exists():
            raise SettingsError(
                f"the suite names {path}, which does not exist",
                why=f"looked for {rootdir / path}",
                fix="correct dockerci_suite, or create it",
            )
    folders = [path for path in dict.fromkeys(entries) if (rootdir / path).is_dir()]
    folders = [path for path in folders if not any(_is_below(path, other) for other in folders)]
    files = [path for path in dict.fromkeys(entries) if not (rootdir / path).is_dir()]
    files = [path for path in files if not any(_is_below(path, folder) for folder in folders)]
    return SuitePaths(
        rootdir=rootdir,
        container_root=container_root,
        folders=tuple(folders),
        files=tuple(files),
        host_only=tuple(host_only),
    )


def _is_below(path: PurePosixPath, folder: PurePosixPath) -> bool:
    return path != folder and path.is_relative_to(folder)


def differing_files(paths: SuitePaths, facts: PythonFacts) -> tuple[PurePosixPath, ...]:
    """The single files that the image lacks or holds with other bytes."""
    return tuple(
        path
        for path in paths.files
        if facts.paths.get(str(paths.container_root / path))
        != hashlib.sha256((paths.rootdir / path).read_bytes()).hexdigest()
    )


def suite_mounts(
    paths: SuitePaths, files: Sequence[PurePosixPath], prefix: str
) -> tuple[Mapping[str, Any], ...]:
    """The mounts of one test container, in Compose's long form. Pure.

    Args:
        paths: The suite.
        files: Single files that are mounted, in the order of the volume's subpaths.
        prefix: Unique to the container; starts the volumes' names.
    """
    mounts: list[Mapping[str, Any]] = [
        {
            "type": "volume",
            "source": f"{prefix}-suite-{index}",
            "target": str(paths.container_root / folder),
            "volume": {},
        }
        for index, folder in enumerate(paths.folders)
    ]
    mounts += [
        {
            "type": "volume",
            "source": f"{prefix}-files",
            "target": str(paths.container_root / file),
            "volume": {"subpath": str(index)},
        }
        for index, file in enumerate(files)
    ]
    return tuple(mounts)


def suite_entries(paths: SuitePaths) -> Iterator[tuple[int, PurePosixPath, Path]]:
    """All that the folders of the suite bring: the folder's number, the path below it, and the file."""
    left_out = {paths.rootdir / path for path in paths.host_only}
    for index, folder in enumerate(paths.folders):
        for path, file in tree_entries(PurePosixPath(), paths.rootdir / folder, left_out.__contains__):
            yield index, path, file


def suite_manifest(paths: SuitePaths) -> dict[str, list[int]]:
    """``NUMBER/path`` of each file and folder to its mode, size and time of change (ns): what was laid, to compare."""
    manifest = {}
    for index, path, file in suite_entries(paths):
        status = file.lstat()
        is_folder = file.is_dir() and not file.is_symlink()
        size, time_ns = (0, 0) if is_folder else (status.st_size, status.st_mtime_ns)
        manifest[str(PurePosixPath(str(index)) / path)] = [status.st_mode, size, time_ns]
    return manifest
