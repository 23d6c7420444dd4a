"""The host's test files over those of the image, by volumes of ours.

Each folder of the suite is one volume for each test container: filled with what the image holds
there, then with the host's files. Single files come from one volume by subpath (measured:
Engine 26.1 with Compose 2.26 mounts single files so, also into a read-only image and where the
parent folder does not exist in it).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from pytest_dockerci.engine.labels import RunIdentity
from pytest_dockerci.engine.python_probe import PythonFacts
from pytest_dockerci.engine.volumes import Fill, copy_from_image, create_volume, fill_volumes
from pytest_dockerci.errors import ImageUnusableError, SettingsError

if TYPE_CHECKING:
    from pytest_dockerci.engine.archive import ArchiveWriter
    from pytest_dockerci.engine.client import Engine

_SUBPATH_API = (1, 45)
_SUBPATH_COMPOSE = (2, 26)
_FOLDER = "folder"


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


def has_subpath(engine: Engine) -> bool:
    """Engine and Compose can mount a part of a volume, a single file too."""
    return engine.api_version >= _SUBPATH_API and engine.compose_version >= _SUBPATH_COMPOSE


def require_subpath(engine: Engine, files: Sequence[PurePosixPath]) -> None:
    """Check that single files can be laid over the image.

    Raises:
        ImageUnusableError: There are some, and the engine or Compose is too old for it.
    """
    if not files or has_subpath(engine):
        return
    names = ", ".join(map(str, files))
    raise ImageUnusableError(
        f"{names} cannot be laid over the image by this engine",
        why=f"single files need Docker Engine 26 and Compose 2.26; these are {engine.version} and "
        + ".".join(map(str, engine.compose_version)),
        fix=f"install newer ones, or copy {names} into the image as they are",
    )


def lay_suite(
    engine: Engine,
    identity: RunIdentity,
    image_id: str,
    facts: PythonFacts,
    paths: SuitePaths,
    files: Sequence[PurePosixPath],
    prefixes: Sequence[str],
) -> None:
    """Create and fill the volumes of all test containers.

    Args:
        engine: The engine.
        identity: Labels the volumes.
        image_id: The image under test.
        facts: Its Python, user and paths.
        paths: The suite.
        files: Single files that are mounted.
        prefixes: One for each test container, as for `suite_mounts`.
    """
    contents: dict[str, Fill] = {}
    copies: list[list[tuple[str, PurePosixPath]]] = []
    for prefix in prefixes:
        mounts = suite_mounts(paths, files, prefix)
        names = list(dict.fromkeys(str(mount["source"]) for mount in mounts))
        for name in names:
            create_volume(engine, name, identity.labels)
        held = []
        for name, folder in zip(names, paths.folders, strict=False):
            contents[name] = _folder_writer(paths, folder)
            target = paths.container_root / folder
            if facts.paths.get(str(target)) == _FOLDER:
                held.append((name, target))
        if files:
            contents[names[-1]] = _files_writer(paths.rootdir, files)
        if held:
            copies.append(held)
    if copies:
        with ThreadPoolExecutor(max_workers=4) as pool:
            list(pool.map(lambda targets: copy_from_image(engine, identity, image_id, targets), copies))
    fill_volumes(engine, identity, contents, uid=facts.uid, gid=facts.gid)


def _folder_writer(paths: SuitePaths, folder: PurePosixPath) -> Fill:
    left_out = {paths.rootdir / path for path in paths.host_only}

    def is_left_out(host_path: Path) -> bool:
        return host_path in left_out

    def write(archive: ArchiveWriter, path: PurePosixPath) -> None:
        archive.add_tree(path, paths.rootdir / folder, is_left_out=is_left_out)

    return write


def _files_writer(rootdir: Path, files: Sequence[PurePosixPath]) -> Fill:
    def write(archive: ArchiveWriter, path: PurePosixPath) -> None:
        archive.add_folder(path)
        for index, file in enumerate(files):
            archive.add_file(path / str(index), (rootdir / file).resolve())

    return write
