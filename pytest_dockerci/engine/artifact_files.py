"""Files of a stopped container, read as a stream of the engine's and written under names of ours.

The archive is never extracted: its entries are looked at one by one, regular files that a glob wants are
copied, and nothing in it decides where on the host anything goes.
"""

from __future__ import annotations

import os
import tarfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

import docker.errors
import requests.exceptions

from pytest_dockerci.artifact_names import ArtifactGlobs, HostNames, plain_path
from pytest_dockerci.engine.capped_reader import CappedReader, LimitReachedError

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactCaps:
    """How much of a container's files is taken at most.

    Attributes:
        files: Number of files.
        file_bytes: Size of each.
        total_bytes: Size of all.
        read_bytes: What is read of the container to find them.
        entries: Number of files and folders that are looked at.
        seconds: How long that may take.
    """

    files: int = 2_000
    file_bytes: int = 64 << 20
    total_bytes: int = 512 << 20
    read_bytes: int = 4 << 30
    entries: int = 200_000
    seconds: float = 60.0


@dataclass(slots=True)
class Harvest:
    """What came of it.

    Attributes:
        files: ``{"container", "path", "file", "bytes"}`` for each file: its path there, and below the folder here.
        remarks: What was left out, and why; one line each.
    """

    files: list[dict[str, Any]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


class ArtifactReader:
    """Copies the artifacts of containers into one folder.

    Args:
        folder: Takes them; empty.
        globs: What is wanted.
        caps: For all containers together.
    """

    def __init__(self, folder: Path, globs: ArtifactGlobs, caps: ArtifactCaps) -> None:
        self.harvest = Harvest()
        self._folder = folder
        self._globs = globs
        self._caps = caps
        self._names = HostNames()
        self._entries = 0
        self._bytes = 0
        self._deadline = time.monotonic() + caps.seconds

    def fetch(self, engine: Engine, container_id: str, name: str) -> None:
        """Fetch from one container, which does not run.

        Args:
            engine: The engine.
            container_id: The container.
            name: What it is called, for instance ``web-test-0``.
        """
        before = len(self.harvest.files), len(self.harvest.remarks)
        try:
            for folder in self._globs.folders:
                self._fetch_below(engine, container_id, name, folder)
        except LimitReachedError as limit:
            self._remark(f"{name}: {limit}; the rest is left out")
        if (len(self.harvest.files), len(self.harvest.remarks)) == before:
            self._remark(f"{name}: no file matches")

    def _fetch_below(self, engine: Engine, container_id: str, name: str, folder: PurePosixPath) -> None:
        try:
            stream, _ = engine.client.api.get_archive(container_id, str(folder), chunk_size=_CHUNK_BYTES)
        except docker.errors.NotFound:
            return
        except (docker.errors.APIError, requests.exceptions.RequestException) as error:
            self._remark(f"{name}: {folder}: {getattr(error, 'explanation', None) or error}")
            return
        try:
            reader = CappedReader(iter(stream), self._caps.read_bytes, self._deadline)
            self.take(reader, name, folder.parent)
        except (tarfile.TarError, requests.exceptions.RequestException, OSError, ValueError) as error:
            self._remark(f"{name}: {folder}: {error}")
        finally:
            stream.close()

    def take(self, file: Any, name: str, parent: PurePosixPath) -> None:
        """Take what is wanted of one archive.

        Args:
            file: The archive; only its `read` is called.
            name: The container.
            parent: The folder in the container in which the archive's names start.
        """
        with tarfile.open(fileobj=file, mode="r|", errorlevel=0) as archive:
            for entry in archive:
                self._entries += 1
                if self._entries > self._caps.entries:
                    raise LimitReachedError(f"there are more than {self._caps.entries} files and folders")
                parts = plain_path(entry.name)
                if parts is None or not self._globs.wants(parent.joinpath(*parts)):
                    continue
                if entry.type in (tarfile.REGTYPE, tarfile.AREGTYPE):
                    self._take_file(archive, entry, name, parent.joinpath(*parts))
                elif not entry.isdir():
                    self._remark(f"{name}: {parent.joinpath(*parts)} is no regular file")
                # A stream's reader keeps every entry that it has seen.
                archive.members = []  # type: ignore[attr-defined]

    def _take_file(
        self, archive: tarfile.TarFile, entry: tarfile.TarInfo, name: str, path: PurePosixPath
    ) -> None:
        caps = self._caps
        if entry.size > caps.file_bytes:
            self._remark(f"{name}: {path} is larger than {caps.file_bytes >> 20} MiB")
            return
        if len(self.harvest.files) >= caps.files:
            raise LimitReachedError(f"there are more than {caps.files} artifacts")
        if self._bytes + entry.size > caps.total_bytes:
            raise LimitReachedError(f"there are more than {caps.total_bytes >> 20} MiB of artifacts")
        source = archive.extractfile(entry)
        if source is None:
            return
        parts = self._names.path([name, *path.parts[1:]])
        self._bytes += entry.size
        self._write(parts, source)
        self.harvest.files.append(
            {"container": name, "path": str(path), "file": "/".join(parts), "bytes": entry.size}
        )

    def _write(self, parts: tuple[str, ...], source: IO[bytes]) -> None:
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            for part in parts[:-1]:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o755, dir_fd=folder)
                inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
                os.close(folder)
                folder = inner
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with os.fdopen(os.open(parts[-1], flags, 0o644, dir_fd=folder), "wb") as target:
                while data := source.read(_CHUNK_BYTES):
                    target.write(data)
        finally:
            os.close(folder)

    def _remark(self, text: str) -> None:
        if len(self.harvest.remarks) < _MAX_REMARKS:
            self.harvest.remarks.append(text)
        elif len(self.harvest.remarks) == _MAX_REMARKS:
            self.harvest.remarks.append("more was left out than is listed here")


_MAX_REMARKS = 100
