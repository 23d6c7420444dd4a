"""Tar archives of files on the host, owned by a user of the image."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO

from pytest_dockerci.engine.host_tree import tree_entries


class ArchiveWriter:
    """Writes one archive.

    Args:
        file: Takes it.
        uid: Owner of everything in it; None for each file's own on this machine, 0 for what is none of it.
        gid: Group of everything in it, likewise.
    """

    def __init__(self, file: IO[bytes], *, uid: int | None, gid: int | None) -> None:
        self._tar = tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - `close` ends it
        self._uid = uid
        self._gid = gid

    def close(self) -> None:
        """Write the end of the archive."""
        self._tar.close()

    def add_folder(self, path: PurePosixPath, *, mode: int = 0o755) -> None:
        """Add an empty folder; its parents must exist where the archive is taken apart."""
        info = tarfile.TarInfo(str(path))
        info.type = tarfile.DIRTYPE
        info.mode = mode
        self._add(info, None)

    def add_bytes(self, path: PurePosixPath, data: bytes, *, mode: int = 0o644) -> None:
        """Add a file."""
        info = tarfile.TarInfo(str(path))
        info.size = len(data)
        info.mode = mode
        self._add(info, io.BytesIO(data))

    def add_file(self, path: PurePosixPath, host_path: Path) -> None:
        """Add a file, a folder's own entry or a symbolic link, as it is; other kinds are left out."""
        status = host_path.lstat()
        info = tarfile.TarInfo(str(path))
        info.mode = stat.S_IMODE(status.st_mode)
        info.mtime = status.st_mtime
        info.uid, info.gid = status.st_uid, status.st_gid
        if stat.S_ISLNK(status.st_mode):
            info.type = tarfile.SYMTYPE
            info.linkname = str(host_path.readlink())
            self._add(info, None)
        elif stat.S_ISDIR(status.st_mode):
            info.type = tarfile.DIRTYPE
            self._add(info, None)
        elif stat.S_ISREG(status.st_mode):
            with host_path.open("rb") as file:
                info.size = os.fstat(file.fileno()).st_size
                self._add(info, file)

    def add_tree(
        self, path: PurePosixPath, host_folder: Path, *, is_left_out: Callable[[Path], bool] = lambda _: False
    ) -> None:
        """Add a folder with all below it, in a stable order.

        Left out: caches of Python and pytest, version control, virtual environments, and what
        `is_left_out` says; symbolic links are not followed.
        """
        for inner_path, host_path in tree_entries(path, host_folder, is_left_out):
            self.add_file(inner_path, host_path)

    def _add(self, info: tarfile.TarInfo, file: IO[bytes] | None) -> None:
        info.uid = info.uid if self._uid is None else self._uid
        info.gid = info.gid if self._gid is None else self._gid
        self._tar.addfile(info, file)
