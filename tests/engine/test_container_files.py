"""Files out of a container, from archives that no engine would send: a container is a stranger."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest

from pytest_dockerci.engine import container_files
from pytest_dockerci.engine.command_container import parse_time
from pytest_dockerci.engine.container_files import FoundFile, read_files, translate


def archive(*members: tuple[str, bytes], **special: tarfile.TarInfo) -> bytes:
    """An archive of files, and of other things by name."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for info in special.values():
            tar.addfile(info)
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.mtime = 1000
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def special(name: str, kind: bytes, target: str = "", size: int = 0) -> tarfile.TarInfo:
    """A link, a device, a folder, or a file that claims a size."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, target, size
    return info


class Engine:
    """Sends what was given for each path, seven bytes at a time."""

    def __init__(self, archives: dict[str, bytes], links: dict[str, str] | None = None) -> None:
        self._archives = archives
        self._links = links or {}
        self.asked: list[str] = []
        self.client = SimpleNamespace(api=self)

    def get_archive(self, _container: str, path: str) -> tuple[Any, dict[str, Any]]:
        """As the SDK's."""
        self.asked.append(path)
        if path not in self._archives and path not in self._links:
            raise docker.errors.NotFound("no such file")
        return self._chunks(self._archives.get(path, b"")), {"linkTarget": self._links.get(path, "")}

    def _chunks(self, data: bytes) -> Iterator[bytes]:
        yield from (data[index : index + 7] for index in range(0, len(data), 7))


def read(engine: Engine, path: str, workdir: str = "/app") -> list[FoundFile]:
    """What is found."""
    found: Any = read_files(engine, "id", path, workdir=workdir)  # type: ignore[arg-type]
    return list(found)


def test_one_file() -> None:
    """Relative to the working directory or absolute, with its time."""
    engine = Engine(
        {"/app/out.xml": archive(("out.xml", b"<x/>")), "/out.xml": archive(("out.xml", b"<y/>"))}
    )
    assert read(engine, "out.xml") == [FoundFile(path="/app/out.xml", data=b"<x/>", changed_at=1000.0)]
    assert read(engine, "/out.xml")[0].data == b"<y/>"
    assert read(engine, "none.xml") == []


def test_a_link_is_followed_by_the_engine() -> None:
    """It has resolved the target within the container."""
    engine = Engine({"/real.xml": archive(("real.xml", b"<x/>"))}, {"/app/out.xml": "/real.xml"})
    assert read(engine, "out.xml")[0].data == b"<x/>"
    assert engine.asked == ["/app/out.xml", "/real.xml"]


def test_patterns() -> None:
    """From the deepest folder without a pattern; in it, names decide, and links do not lead anywhere."""
    data = archive(
        ("reports/a.xml", b"a"),
        ("reports/deep/b.xml", b"b"),
        ("reports/c.txt", b"c"),
        ("reports/../../etc/d.xml", b"d"),
        ("/etc/e.xml", b"e"),
        link=special("reports/l.xml", tarfile.SYMTYPE, "/etc/passwd"),
        hard=special("reports/h.xml", tarfile.LNKTYPE, "/etc/passwd"),
        device=special("reports/n.xml", tarfile.CHRTYPE),
        folder=special("reports/f.xml", tarfile.DIRTYPE),
    )
    engine = Engine({"/app/reports": data})
    found = {file.path: file.problem or file.data.decode() for file in read(engine, "reports/*.xml")}
    assert found == {
        "/app/reports/a.xml": "a",
        "/app/reports/l.xml": "is a link, not a regular file",
        "/app/reports/h.xml": "is a link, not a regular file",
        "/app/reports/n.xml": "is no file, not a regular file",
    }
    assert [file.data for file in read(engine, "reports/**/b.xml")] == [b"b"]


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a file, of all that is read, of how many there are: a problem, and no memory."""
    huge = archive(file=special("x.xml", tarfile.REGTYPE, size=container_files.MAX_FILE_BYTES + 1))
    assert read(Engine({"/app/x.xml": huge}), "x.xml")[0].problem == "is larger than 64 MiB (64 MiB)"
    monkeypatch.setattr(container_files, "MAX_ARCHIVE_BYTES", 3 << 10)
    many = archive(*((f"r/{number}.xml", b"x" * 100) for number in range(10)))
    assert "name a smaller folder" in read(Engine({"/app/r": many}), "r/*.xml")[-1].problem
    monkeypatch.setattr(container_files, "MAX_ARCHIVE_BYTES", 1 << 20)
    monkeypatch.setattr(container_files, "MAX_FILES", 3)
    assert read(Engine({"/app/r": many}), "r/*.xml")[-1].problem == "names more than 3 files"


@pytest.mark.parametrize("length", [1, 300, 511, 513, 700])
def test_a_transfer_that_is_cut(length: int) -> None:
    """Is a problem, never an empty or a shorter file."""
    data = archive(("out.xml", b"x" * 400))[:length]
    for path, engine in (
        ("out.xml", Engine({"/app/out.xml": data})),
        ("*.xml", Engine({"/app": data.replace(b"out.xml", b"app/out.xml"[:7])})),
    ):
        for file in read(engine, path):
            assert file.problem
            assert not file.data


@pytest.mark.parametrize(
    ("pattern", "path", "is_match"),
    [
        ("/a/*.xml", "/a/b.xml", True),
        ("/a/*.xml", "/a/b/c.xml", False),
        ("/a/**/*.xml", "/a/c.xml", True),
        ("/a/**/*.xml", "/a/b/b/c.xml", True),
        ("/a/**", "/a/b/c", True),
        ("/a/?.xml", "/a/b.xml", True),
        ("/a/?.xml", "/a/bb.xml", False),
        ("/a/[bc].xml", "/a/c.xml", True),
        ("/a/[!bc].xml", "/a/c.xml", False),
        ("/a/[.xml", "/a/[.xml", True),
        ("/a/b+c.xml", "/a/b+c.xml", True),
        ("/a/b+c.xml", "/a/bbc.xml", False),
    ],
)
def test_pattern_language(pattern: str, path: str, *, is_match: bool) -> None:
    """As in a shell with `globstar`."""
    assert bool(re.fullmatch(translate(pattern), path)) is is_match


def test_times_of_the_engine() -> None:
    """Nine digits of a second, or none."""
    assert parse_time("1970-01-01T00:01:00.500000000Z") == 60.5
    assert parse_time("1970-01-01T00:01:00Z") == 60.0
    assert parse_time("") == 0.0
