"""Volumes of ours and how files get into them.

Through a container of an empty image of our own that never starts: this works with read-only
and non-root images, on engines elsewhere, and never unpacks an archive in the image under test.
"""

from __future__ import annotations

import io
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import docker.errors
from docker.types import Mount

from pytest_dockerci.engine.archive import ArchiveWriter
from pytest_dockerci.engine.images import inspect_image
from pytest_dockerci.engine.labels import EMPTY_IMAGE, RunIdentity

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine

_SPOOLED_BYTES = 16 << 20
MOUNT_ROOT = PurePosixPath("/v")
Fill = Callable[[ArchiveWriter, PurePosixPath], None]


def ensure_empty_image(engine: Engine) -> None:
    """Make sure that the engine has the empty image."""
    if inspect_image(engine, EMPTY_IMAGE) is None:
        empty = io.BytesIO()
        tarfile.open(fileobj=empty, mode="w").close()
        repository, _, tag = EMPTY_IMAGE.partition(":")
        engine.client.api.import_image_from_data(empty.getvalue(), repository=repository, tag=tag)


def create_volume(engine: Engine, name: str, labels: Mapping[str, str]) -> None:
    """Create a volume; one that exists is left as it is."""
    engine.client.api.create_volume(name, labels=dict(labels))


def has_volume(engine: Engine, name: str) -> bool:
    """The engine has a volume of that name."""
    try:
        engine.client.api.inspect_volume(name)
    except docker.errors.NotFound:
        return False
    return True


def fill_volumes(
    engine: Engine, identity: RunIdentity, contents: Mapping[str, Fill], *, uid: int | None, gid: int | None
) -> None:
    """Put files into volumes, over what they hold, all in one archive.

    Args:
        engine: The engine.
        identity: Labels the container that carries the volumes.
        contents: Volume to what writes its files: called with the archive and the path of the volume in it.
        uid: Owner of the files; None for what each has on this machine.
        gid: Their group, likewise.
    """
    if not contents:
        return
    names = list(contents)
    with tempfile.SpooledTemporaryFile(max_size=_SPOOLED_BYTES) as file:
        writer = ArchiveWriter(file, uid=uid, gid=gid)
        for index, name in enumerate(names):
            contents[name](writer, PurePosixPath(str(index)))
        writer.close()
        file.seek(0)
        ensure_empty_image(engine)
        mounts = [(name, MOUNT_ROOT / str(index)) for index, name in enumerate(names)]
        container_id = create_unstarted(engine, identity, EMPTY_IMAGE, mounts)
        try:
            engine.client.api.put_archive(container_id, str(MOUNT_ROOT), file)
        finally:
            engine.client.api.remove_container(container_id, force=True, v=False)


def copy_from_image(
    engine: Engine, identity: RunIdentity, image_id: str, targets: Sequence[tuple[str, PurePosixPath]]
) -> None:
    """Fill empty volumes with what an image holds at given paths.

    Args:
        engine: The engine.
        identity: Labels the container, which never starts.
        image_id: The image.
        targets: ``(volume, folder in the image)``.

    Source: Docker documentation, "Volumes", "Populate a volume using a container".
    """
    container_id = create_unstarted(engine, identity, image_id, targets)
    engine.client.api.remove_container(container_id, force=True, v=True)


def create_unstarted(
    engine: Engine, identity: RunIdentity, image: str, mounts: Sequence[tuple[str, PurePosixPath]]
) -> str:
    """A container that is never started, with volumes at paths; its id."""
    api = engine.client.api
    host_config = api.create_host_config(
        mounts=[Mount(target=str(path), source=name, type="volume") for name, path in mounts],
        network_mode="none",
    )
    created = api.create_container(
        image, command=["-"], host_config=host_config, labels=dict(identity.labels), network_disabled=True
    )
    return str(created["Id"])


def read_small_file(engine: Engine, identity: RunIdentity, volume: str, name: str) -> bytes | None:
    """One small file of a volume; None when it is not there."""
    ensure_empty_image(engine)
    container_id = create_unstarted(engine, identity, EMPTY_IMAGE, [(volume, MOUNT_ROOT)])
    try:
        stream, _ = engine.client.api.get_archive(container_id, str(MOUNT_ROOT / name))
        data = b"".join(stream)
    except docker.errors.NotFound:
        return None
    finally:
        engine.client.api.remove_container(container_id, force=True, v=False)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        member = tar.extractfile(name)
        return member.read() if member is not None else None
