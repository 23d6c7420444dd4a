"""Files out of a stopped container, as bytes: read from a stream, with limits, never taken apart on a disk.

The container is a stranger: whatever its archive holds, no more than the limits comes into memory, and links are
followed by the engine alone, within the container.
"""

from __future__ import annotations

import posixpath
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import docker.errors

from pytest_dockerci.engine.capped_reader import CappedReader, LimitReachedError

if TYPE_CHECKING:
    from pytest_dockerci.engine.client import Engine

MAX_FILE_BYTES = 64 << 20
MAX_FILES = 1000
# Of all that is read to find the files of a pattern.
MAX_ARCHIVE_BYTES = 2 << 30
_MAX_MEMBERS = 500_000
_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFile:
    """One file, or why there is none.

    Attributes:
        path: In the container, absolute.
        data: Its bytes; empty where there is a problem.
        changed_at: When it was last written, in seconds since 1970.
        problem: Why it could not be read; empty where it could.
    """

    path: str
    data: bytes = b""
    changed_at: float = 0.0
    problem: str = ""


def read_files(engine: Engine, container_id: str, path: str, *, workdir: str) -> Iterator[FoundFile]:
    """The files that a path or a pattern names, one after the other; nothing where there are none.

    Args:
        engine: The engine.
        container_id: A container that has ended.
        path: Absolute, or relative to `workdir`; ``*`` and ``?`` stay within a folder, ``**`` does not.
        workdir: The container's working directory.
    """
    absolute = posixpath.normpath(posixpath.join(workdir or "/", path))
    if not _MAGIC.search(absolute):
        yield from _read_one(engine, container_id, absolute)
        return
    parts = absolute.split("/")
    fixed = next(index for index, part in enumerate(parts) if _MAGIC.search(part))
    folder = "/".join(parts[:fixed]) or "/"
    pattern = re.compile(translate(absolute))
    for number, file in enumerate(_read_folder(engine, container_id, folder, pattern)):
        if number >= MAX_FILES:
            yield FoundFile(path=absolute, problem=f"names more than {MAX_FILES} files")
            return
        yield file


def translate(pattern: str) -> str:
    """A pattern for paths as a regular expression for `re.fullmatch`. Pure."""
    result, position = "", 0
    while position < len(pattern):
        if pattern.startswith("**/", position):
            result, position = result + "(?:.*/)?", position + 3
        elif pattern.startswith("**", position):
            result, position = result + ".*", position + 2
        elif pattern[position] == "*":
            result, position = result + "[^/]*", position + 1
        elif pattern[position] == "?":
            result, position = result + "[^/]", position + 1
        elif pattern[position] == "[" and (end := pattern.find("]", position + 2)) > 0:
            inner = pattern[position + 1 : end].replace("\\", "\\\\")
            negated = inner.startswith("!")
            result += f"[{'^' if negated else ''}{inner[1:] if negated else inner}]"
            position = end + 1
        else:
            result, position = result + re.escape(pattern[position]), position + 1
    return result


def _read_one(engine: Engine, container_id: str, path: str) -> Iterator[FoundFile]:
    chunks = _open(engine, container_id, path)
    if chunks is None:
        return
    try:
        with tarfile.open(fileobj=_capped(chunks), mode="r|") as archive:
            member = archive.next()
            if member is not None:
                yield _file(archive, member, path)
    except (tarfile.TarError, OSError, EOFError, LimitReachedError) as error:
        yield FoundFile(path=path, problem=f"could not be read from the container: {error}")
    finally:
        chunks.close()


def _read_folder(
    engine: Engine, container_id: str, folder: str, pattern: re.Pattern[str]
) -> Iterator[FoundFile]:
    chunks = _open(engine, container_id, folder)
    if chunks is None:
        return
    try:
        with tarfile.open(fileobj=_capped(chunks), mode="r|") as archive:
            read: Any = archive
            for number, member in enumerate(archive):
                read.members = []  # it keeps every one of them otherwise
                if number >= _MAX_MEMBERS:
                    problem = f"has more than {_MAX_MEMBERS} files in it: name a smaller folder"
                    yield FoundFile(path=folder, problem=problem)
                    return
                # The archive's names begin with the folder's own.
                inside = member.name.partition("/")[2] if folder != "/" else member.name
                path = posixpath.normpath(posixpath.join(folder, inside))
                if pattern.fullmatch(path) and not member.isdir():
                    yield _file(archive, member, path)
    except (tarfile.TarError, OSError, EOFError, LimitReachedError) as error:
        yield FoundFile(path=folder, problem=f"could not be read from the container: {error}")
    finally:
        chunks.close()


def _file(archive: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> FoundFile:
    if not member.isreg():
        kind = "a folder" if member.isdir() else "a link" if member.issym() or member.islnk() else "no file"
        return FoundFile(path=path, problem=f"is {kind}, not a regular file")
    if member.size > MAX_FILE_BYTES:
        return FoundFile(
            path=path, problem=f"is larger than {MAX_FILE_BYTES >> 20} MiB ({member.size >> 20} MiB)"
        )
    content = archive.extractfile(member)
    data = content.read(MAX_FILE_BYTES) if content is not None else b""
    if len(data) != member.size:
        return FoundFile(path=path, problem="was cut off on its way out of the container")
    return FoundFile(path=path, data=data, changed_at=float(member.mtime))


def _open(engine: Engine, container_id: str, path: str) -> Any | None:
    """The archive of a path in pieces, after its last link; None where there is nothing."""
    try:
        chunks, stat = engine.client.api.get_archive(container_id, path)
        target = stat.get("linkTarget")
        if target and target != path:
            # The engine has resolved it, within the container and to the end.
            chunks.close()
            chunks, stat = engine.client.api.get_archive(container_id, target)
    except docker.errors.NotFound:
        return None
    return chunks


def _capped(chunks: Any) -> Any:
    # tarfile's stubs want more of a stream's file than its `read`, which is all that is called.
    too_much = f"there is more than {MAX_ARCHIVE_BYTES >> 30} GiB in it: name a smaller folder"
    return CappedReader(chunks, MAX_ARCHIVE_BYTES, too_much=too_much)
