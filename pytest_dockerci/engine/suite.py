"""The host's test files over those of the image, by volumes of ours.

Each folder of the suite is one volume for each test container: filled with what the image holds
there, then with the host's files. Single files come from one volume by subpath (measured:
Engine 26.1 with Compose 2.26 mounts single files so, also into a read-only image and where the
parent folder does not exist in it).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pytest_dockerci.engine.labels import RunIdentity
from pytest_dockerci.engine.python_facts import PythonFacts
from pytest_dockerci.engine.suite_paths import SuitePaths, suite_mounts
from pytest_dockerci.engine.volumes import Fill, copy_from_image, create_volume, fill_volumes
from pytest_dockerci.errors import ImageUnusableError

if TYPE_CHECKING:
    from pytest_dockerci.engine.archive import ArchiveWriter
    from pytest_dockerci.engine.client import Engine

_SUBPATH_API = (1, 45)
_SUBPATH_COMPOSE = (2, 26)
_FOLDER = "folder"


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
